import { randomBytes } from 'node:crypto'
import { built } from '../../lib/built.js'
import { PlantSource } from './plant-source.js'

/** @typedef {import('./plant-source.js').Message} Message */

const EVENTS_A_MESSAGE = 16
/** Intents that are told of together: their events fill nine messages of sixteen. */
const INTENTS_A_ROUND = 16
export const MESSAGES_A_ROUND = 9
export const EVENTS_A_ROUND = MESSAGES_A_ROUND * EVENTS_A_MESSAGE
/** Rounds of one second of the plant's time. */
const ROUNDS_A_SECOND = 200
const DEVICES = 64
const ROLES = ['intent-gateway', 'policy-evaluator', 'token-issuer', 'audit-sink']

/**
 * A plant whose whole evidence is made with real keys, quickly: what services and a gateway record when agents' intents run through, sixteen
 * events a message, as they batch under load. `writ audit verify` finds nothing wrong with it.
 *
 * @param {{ root: string, region: string, startSeconds: number, signers?: { root: any, anchors: Record<string, any> } }} options
 */
export async function plantMessages({ root, region, startSeconds, signers }) {
  const modules = {
    keys: await built(root, 'packages/keys'),
    audit: await built(root, 'packages/audit'),
    contracts: await built(root, 'packages/contracts'),
    authority: await built(root, 'packages/authority'),
  }
  return new Plant(modules, region, startSeconds, signers)
}

class Plant {
  boot = randomBytes(8).toString('hex')
  /** @type {string[]} */
  #records = []
  #rounds = 0
  #userKey = { kid: 'u-bench-2026q4', key: randomBytes(32) }
  #recordsKey = { kid: 'records', key: randomBytes(32) }

  /**
   * @param {{ keys: any, audit: any, contracts: any, authority: any }} modules
   * @param {string} region
   * @param {number} startSeconds
   * @param {{ root: any, anchors: Record<string, any> } | undefined} signers
   */
  constructor(modules, region, startSeconds, signers) {
    const { keys, audit, contracts } = modules
    const make = () => keys.signerOf(keys.generateJwk('ES256'))
    this.modules = modules
    this.region = region
    this.start = startSeconds
    this.seconds = startSeconds
    this.aud = `writ:${region}`
    this.anchors = signers?.anchors ?? Object.fromEntries(ROLES.map((role) => [role, make()]))
    this.operator = signers?.root ?? make()
    this.services = Object.fromEntries(ROLES.map((role) => [role, make()]))
    this.agent = make()
    this.gateway = make()
    const { typ } = contracts.auditMessage
    const shared = { aud: this.aud, keys, typ, uuidV7: audit.uuidV7, seconds: () => this.seconds }
    /** @type {Record<string, PlantSource>} */
    this.sources = Object.fromEntries([
      ...ROLES.map((role) => [role, new PlantSource(`${role}/bench/${this.boot}`, this.services[role], shared)]),
      ['gateway', new PlantSource(`gateway/g1/${this.boot}`, this.gateway, shared)],
    ])
    this.pins = {
      operators: { root: keys.publicJwk(this.operator.jwk) },
      anchors: Object.fromEntries(Object.entries(this.anchors).map(([role, { jwk }]) => [role, keys.publicJwk(jwk)])),
    }
  }

  /** @param {string} from @param {readonly object[]} events @returns {Promise<Message>} */
  async #say(from, events) {
    const source = this.sources[from]
    if (source === undefined) throw new RangeError(`no source ${from}`)
    return await source.say(events)
  }

  /** @param {any} message @param {any} signer @param {object} claims @returns {Promise<string>} */
  #sign({ typ }, signer, claims) {
    return this.modules.keys.signJws(signer, typ, claims)
  }

  /** What comes before the first intent. */
  async setup() {
    const { auditEvent } = this.modules.audit
    /** @type {Message[]} */
    const messages = []
    for (const role of ROLES)
      messages.push(
        await this.#say(role, [auditEvent('source.started', { documents: [await this.#endorsement(role)] })]),
      )
    const jurisdiction = this.region
    const agent = { keys: [this.agent.jwk], users: ['u1'], actions: ['restart'], groups: ['hall'] }
    const filed = [
      await this.#filing('gateway', 'g1', { keys: [this.gateway.jwk], jurisdiction }),
      await this.#filing('agent', 'a1', agent),
      await this.#filing('policy', 'active', { bundle_sha256: this.#bundle(), revision: 'r1' }),
    ]
    const device = { gateway_id: 'g1', group: 'hall', jurisdiction, actions: ['restart'] }
    for (let n = 0; n < DEVICES; n++) filed.push(await this.#filing('device', `press-${n}`, device))
    for (let at = 0; at < filed.length; at += EVENTS_A_MESSAGE)
      messages.push(await this.#say('intent-gateway', filed.slice(at, at + EVENTS_A_MESSAGE)))
    messages.push(await this.#say('gateway', [auditEvent('source.started', {})]))
    return messages
  }

  #bundle() {
    return this.modules.keys.digestOf('a.b')
  }

  /** @param {string} role */
  async #endorsement(role) {
    const { keyMessage } = this.modules.contracts
    const { jwk, kid } = this.services[role]
    const times = { iat: this.start - 10, exp: this.start + 86_000 }
    const claims = { iss: role, aud: this.aud, ...times, role, kid, jwk, instance: 'bench', boot: this.boot }
    return this.modules.audit.clearDocument(keyMessage.typ, await this.#sign(keyMessage, this.anchors[role], claims))
  }

  /** @param {string} kind @param {string} id @param {any} record */
  async #filing(kind, id, record) {
    const { commandMessage } = this.modules.contracts
    const { auditEvent, sealDocument } = this.modules.audit
    const times = { iat: this.seconds, exp: this.seconds + 300, jti: `${kind}-${id}` }
    const claims = { iss: 'root', aud: this.aud, ...times, kind, id, version: 1, record, reason: 'bench' }
    const command = await this.#sign(commandMessage, this.operator, claims)
    if (kind !== 'gateway') this.#records.push(this.modules.keys.digestOf(command))
    const detail = { kind, id, version: 1, keys: record.keys ?? [] }
    const documents = [await sealDocument(commandMessage.typ, command, this.#recordsKey)]
    return auditEvent('record.filed', { detail, documents })
  }

  /** Nine messages, in an order in which they may have been stored. */
  async round() {
    this.seconds = this.start + 1 + Math.floor(this.#rounds / ROUNDS_A_SECOND)
    const first = this.#rounds * INTENTS_A_ROUND
    this.#rounds += 1
    const told = await Promise.all(Array.from({ length: INTENTS_A_ROUND }, (_, at) => this.#intent(first + at)))
    const messages = [
      await this.#say(
        'policy-evaluator',
        told.map(({ decided }) => decided),
      ),
    ]
    for (let at = 0; at < told.length; at += 4) {
      const some = told.slice(at, at + 4)
      const events = some.flatMap(({ accepted, decided, plan, outcome }) => [accepted, decided, plan, outcome])
      messages.push(await this.#say('intent-gateway', events))
    }
    for (let at = 0; at < told.length; at += 8) {
      const some = told.slice(at, at + 8)
      const of = (/** @type {'token' | 'redeemed' | 'started' | 'succeeded'} */ name) => some.map((one) => one[name])
      messages.push(await this.#say('token-issuer', [...of('token'), ...of('redeemed')]))
      messages.push(await this.#say('gateway', [...of('started'), ...of('succeeded')]))
    }
    return messages
  }

  /** Everything that is recorded about one intent. @param {number} n */
  async #intent(n) {
    const { audit, authority, contracts, keys } = this.modules
    const { auditEvent, clearDocument, sealDocument } = audit
    const target = `press-${n % DEVICES}`
    const times = { aud: this.aud, iat: this.seconds, exp: this.seconds + 60 }
    const asked = {
      on_behalf_of: 'u1',
      action: 'restart',
      targets: [target],
      purpose: 'It stands still after the tool change.',
    }
    const intent = await this.#sign(contracts.intentMessage, this.agent, {
      iss: 'a1',
      ...times,
      jti: `intent-${n}`,
      ...asked,
    })
    const intent_digest = keys.digestOf(intent)
    const about = { agent_id: 'a1', intent: 'restart', intent_id: `intent-${n}`, intent_digest }
    const records = [this.#records[0], this.#records[1], this.#records[2 + (n % DEVICES)]]
    const policy = { version: 1, bundle_sha256: this.#bundle() }
    const decision = clearDocument(contracts.decisionMessage.typ, await this.#decision(intent_digest, records, policy))
    const plan_id = authority.planIdOf(intent_digest, 'g1')
    const plan = { ...about, gateway_id: 'g1', token_id: `token-${n}`, plan_id }
    const token_digest = keys.digestOf(`token.${n}`)
    const chain = { decision_digest: decision.digest, records }
    const step = { ...plan, device_id: target, detail: { step_id: 's0', use: 1 } }
    const { redeem, outcome } = await this.#gatewaySays(n, { plan_id, intent_digest, token_digest, target })
    const sealed = async (/** @type {any} */ message, /** @type {string} */ jws) => ({
      documents: [await sealDocument(message.typ, jws, this.#userKey)],
    })
    const redeemed = { detail: { step_id: 's0', use: 1, token_digest } }
    const dispatched = { approved_by: ['policy'], detail: { ...chain, exp: this.seconds + 300 } }
    const documents = [clearDocument(contracts.redeemMessage.typ, redeem)]
    return {
      accepted: auditEvent('intent.accepted', { ...about, ...(await sealed(contracts.intentMessage, intent)) }),
      decided: auditEvent('policy.decided', { ...about, policy, documents: [decision] }, 'succeeded'),
      token: auditEvent('token.issued', { ...plan, detail: { ...chain, token_digest } }),
      plan: auditEvent('plan.dispatched', { ...plan, ...dispatched }),
      redeemed: auditEvent('token.redeemed', { ...plan, ...redeemed, documents }),
      started: auditEvent('action.started', step),
      succeeded: auditEvent('action.succeeded', step),
      outcome: auditEvent('action.succeeded', { ...step, ...(await sealed(contracts.outcomeMessage, outcome)) }),
    }
  }

  /** @param {string} intent_digest @param {readonly (string | undefined)[]} records @param {object} policy */
  #decision(intent_digest, records, policy) {
    const { decisionMessage } = this.modules.contracts
    return this.#sign(decisionMessage, this.services['policy-evaluator'], {
      iss: 'policy-evaluator',
      aud: this.aud,
      iat: this.seconds,
      exp: this.seconds + 60,
      intent_digest,
      input_sha256: intent_digest,
      policy,
      outcome: 'allow',
      reasons: [],
      approvals: [],
      attestations: [],
      reports: [],
      records,
      obligations: { ttl_s: 300, max_uses: 1, max_run_s: 900, stop_on_failure: false },
    })
  }

  /** @param {number} n @param {{ plan_id: string, intent_digest: string, token_digest: string, target: string }} of */
  async #gatewaySays(n, { plan_id, intent_digest, token_digest, target }) {
    const { outcomeMessage, redeemMessage } = this.modules.contracts
    const said = { iss: 'g1', aud: this.aud, iat: this.seconds }
    const token = { token_id: `token-${n}`, token_digest, use_id: `${plan_id}/s0/1` }
    const done = { step_id: 's0', device_id: target, action: 'restart', state: 'succeeded' }
    return {
      redeem: await this.#sign(redeemMessage, this.gateway, {
        ...said,
        exp: this.seconds + 60,
        jti: `r${n}`,
        ...token,
      }),
      outcome: await this.#sign(outcomeMessage, this.gateway, { ...said, plan_id, intent_digest, ...done }),
    }
  }

  /** What sources say when they end. */
  async farewell() {
    const { auditEvent } = this.modules.audit
    /** @type {Message[]} */
    const messages = []
    for (const from of [...ROLES, 'gateway']) messages.push(await this.#say(from, [auditEvent('source.stopped', {})]))
    return messages
  }

  /** The first entry of a log. @param {any} opening @returns {Promise<string>} */
  async opening(opening) {
    const { auditEvent } = this.modules.audit
    const { body } = await this.#say('audit-sink', [auditEvent('log.opened', { detail: { ...opening } })])
    return body.toString('latin1')
  }

  /** A message of one event that says little. @param {string} from @param {object} fields */
  async heartbeat(from, fields) {
    return await this.#say(from, [this.modules.audit.auditEvent('source.heartbeat', fields)])
  }
}
