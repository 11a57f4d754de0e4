import { randomBytes, randomUUID } from 'node:crypto'
import { planIdOf } from '@writ/authority'
import {
  type AuditEvent,
  auditMessage,
  commandMessage,
  controlMessage,
  cosignMessage,
  type Decision,
  decisionMessage,
  type EventDocument,
  type EventStatus,
  type EventType,
  intentMessage,
  keyMessage,
  outcomeMessage,
  redeemMessage,
  type ServiceRole,
} from '@writ/contracts'
import { digestOf, generateJwk, type PrivateJwk, publicJwk, type Signer, signerOf, signMessage } from '@writ/keys'
import { DirectoryStore, type WormStore } from '@writ/worm-store'
import type { NoteVerifier } from '../core/note.ts'
import { sealDocument } from '../documents/sealed-document.ts'
import type { SubjectKey } from '../documents/subject-keys.ts'
import type { AuditStream, StoredMessage } from '../log/audit-stream.ts'
import { type NoteSigner, noteSignerOf } from '../log/note-signer.ts'
import { type Opening, Sealer } from '../log/sealer.ts'
import { clearDocument } from '../source/chain.ts'
import { auditEvent, type NewEvent } from '../source/events.ts'
import { uuidV7 } from '../source/uuid-v7.ts'

// A small plant whose whole evidence is made with real keys, so that a test can leave out, change or forge exactly one thing.

export const REGION = 'eusc-de-east-1'
export const NAME: { domain: string; region: string } = { domain: 'audit.example', region: REGION }
export const ORIGIN: string = `audit.example/${REGION}/2026h2`
export const START: number = Date.parse('2026-11-01T00:00:00Z') / 1000
const AUDIENCE = `writ:${REGION}`
const ROLES = ['intent-gateway', 'policy-evaluator', 'token-issuer', 'audit-sink'] as const

/** Keys that outlive a test: making them is what takes time. */
export const keys: {
  readonly log: NoteSigner
  readonly otherLog: NoteSigner
  readonly root: Signer
  readonly agent: Signer
  readonly gateway: Signer
  readonly stranger: Signer
  readonly anchors: Readonly<Record<ServiceRole, Signer>>
  readonly services: Readonly<Record<ServiceRole, Signer>>
} = (() => {
  const make = (algorithm: 'ES256' | 'EdDSA' = 'ES256') => signerOf(generateJwk(algorithm) as PrivateJwk)
  const each = () => Object.fromEntries([...ROLES, 'attestation-verifier'].map((role) => [role, make()]))
  return {
    log: noteSignerOf(make('EdDSA')),
    otherLog: noteSignerOf(make('EdDSA')),
    root: make(),
    agent: make(),
    gateway: make(),
    stranger: make(),
    anchors: each() as Record<ServiceRole, Signer>,
    services: each() as Record<ServiceRole, Signer>,
  }
})()

export const pins = {
  operators: { root: publicJwk(keys.root.jwk) },
  anchors: Object.fromEntries(Object.entries(keys.anchors).map(([role, { jwk }]) => [role, jwk])),
}
export const vkeys: readonly NoteVerifier[] = [keys.log.verifier(ORIGIN)]

const recordsKey: SubjectKey = { kid: 'records', key: randomBytes(32) }
const userKey: SubjectKey = { kid: 'u-anna-2026q4', key: randomBytes(32) }
export const subjectKeys: ReadonlyMap<string, Uint8Array> = new Map(
  [recordsKey, userKey].map(({ kid, key }) => [kid, key]),
)

export interface Message {
  readonly name: string
  readonly stream: 'AUDIT' | 'AUDIT_EDGE'
  readonly source: string
  readonly body: string
}

/** One source's chain. Every part of a message can be set wrongly. */
export class TestSource {
  readonly source: string
  readonly #signer: Signer
  readonly #iss: string
  seq = 0
  prev: string | undefined

  constructor(source: string, signer: Signer) {
    const [role = '', instance = ''] = source.split('/')
    this.source = source
    this.#signer = signer
    this.#iss = role === 'gateway' ? instance : role
  }

  async message(
    name: string,
    iat: number,
    events: readonly NewEvent[],
    signer: Signer = this.#signer,
  ): Promise<Message> {
    const full = events.map(
      (event): AuditEvent => ({
        event_id: uuidV7(iat * 1000, randomBytes),
        timestamp: new Date(iat * 1000).toISOString(),
        ...event,
      }),
    )
    const claims = {
      iss: this.#iss,
      aud: AUDIENCE,
      iat,
      source: this.source,
      seq: this.seq,
      ...(this.prev !== undefined && { prev: this.prev }),
      events: full,
    }
    const body = await signMessage(signer, auditMessage, claims)
    this.seq += 1
    this.prev = digestOf(body)
    return { name, stream: this.source.startsWith('gateway/') ? 'AUDIT_EDGE' : 'AUDIT', source: this.source, body }
  }
}

export async function endorsement(
  role: ServiceRole,
  over: {
    iat?: number
    exp?: number
    kid?: string
    jwk?: Signer['jwk']
    instance?: string
    boot?: string
    by?: Signer
    as?: ServiceRole
  } = {},
): Promise<EventDocument> {
  const { jwk, kid } = keys.services[role]
  const { by, as = role, ...claims } = over
  const full = {
    iss: as,
    aud: AUDIENCE,
    iat: START - 10,
    exp: START + 3600,
    role: as,
    kid,
    jwk,
    instance: 'i1',
    boot: 'b1',
    ...claims,
  }
  return clearDocument(keyMessage.typ, await signMessage(by ?? keys.anchors[role], keyMessage, full))
}

/** An event that says less than its type must: what a source may lie, or leave out. */
export const bareEvent: (type: EventType, fields: Partial<NewEvent>, status?: EventStatus) => NewEvent = auditEvent as (
  type: EventType,
  fields: Partial<NewEvent>,
  status?: EventStatus,
) => NewEvent

export interface PlantOptions {
  /** Names of messages that are never made. */
  readonly omit?: readonly string[]
  /** Names of messages that are made and lost. */
  readonly lose?: readonly string[]
  /** Changes events before they are signed. */
  readonly edit?: Readonly<Record<string, (events: NewEvent[]) => NewEvent[] | Promise<NewEvent[]>>>
  /** Signs a message with another key. */
  readonly sign?: Readonly<Record<string, Signer>>
  /** Seconds after the start at which a message is signed. */
  readonly at?: Readonly<Record<string, number>>
  /** Who signs the commands. */
  readonly operator?: Signer
  /** What the intent asks to restart; only the first is. */
  readonly targets?: readonly [string, ...string[]]
  /** What the decision says otherwise. */
  readonly decided?: Partial<Decision>
}

export interface Plant {
  readonly messages: Message[]
  readonly sources: Readonly<Record<string, TestSource>>
  readonly intentDigest: string
  readonly planId: string
  readonly opening: (opening: Opening) => Promise<string>
}

/** Seconds after the start at which the plan's time is over. */
export const PLAN_SECONDS = 300

/** One restart of one press: everything that a log holds of it. */
export async function plant(options: PlantOptions = {}): Promise<Plant> {
  const messages: Message[] = []
  const sources = Object.fromEntries([
    ...ROLES.map((role) => [role, new TestSource(`${role}/i1/b1`, keys.services[role])]),
    ['gateway', new TestSource('gateway/g1/b1', keys.gateway)],
  ]) as Record<string, TestSource>
  let second = 0
  const say = async (name: string, from: string, events: NewEvent[]): Promise<Message | undefined> => {
    if (options.omit?.includes(name)) return undefined
    const edited = (await options.edit?.[name]?.(events)) ?? events
    const source = sources[from] as TestSource
    const message = await source.message(name, START + (options.at?.[name] ?? second++), edited, options.sign?.[name])
    if (!options.lose?.includes(name)) messages.push(message)
    return message
  }
  for (const role of ROLES)
    await say(`${role} started`, role, [auditEvent('source.started', { documents: [await endorsement(role)] })])
  const facts = await tellPlant(say, options)
  for (const role of ['token-issuer', 'intent-gateway'])
    await say(`${role} heartbeat`, role, [auditEvent('source.heartbeat', {})])
  const opening = async (detail: Opening) => {
    const made = await (sources['audit-sink'] as TestSource).message('opened', START, [
      auditEvent('log.opened', { detail: { ...detail } as never }),
    ])
    return made.body
  }
  return { messages, sources, opening, ...facts }
}

type Say = (name: string, from: string, events: NewEvent[]) => Promise<Message | undefined>

/** A record as intent-gateway tells of its filing, with the operator's command sealed. */
export async function filing(
  kind: string,
  id: string,
  version: number,
  record: object | null,
  registered: readonly Signer[],
  operator: Signer = keys.root,
  cosigners: Readonly<Record<string, Signer>> = {},
): Promise<{ readonly event: NewEvent; readonly digest: string }> {
  const claims = {
    iss: 'root',
    aud: AUDIENCE,
    iat: START,
    exp: START + 300,
    jti: randomUUID(),
    kind,
    id,
    version,
    record,
    reason: 'test',
  }
  const command = await signMessage(operator, commandMessage, claims as never)
  const detail = { kind, id, version, keys: registered.map(({ jwk }) => ({ ...jwk })) }
  const documents = [await sealDocument(commandMessage.typ, command, recordsKey)]
  for (const [iss, signer] of Object.entries(cosigners)) {
    const word = { iss, aud: AUDIENCE, iat: START, exp: START + 300, command_digest: digestOf(command) }
    const cosign = await signMessage(signer, cosignMessage, word as never)
    documents.push(await sealDocument(cosignMessage.typ, cosign, recordsKey))
  }
  return { event: auditEvent('record.filed', { detail, documents }), digest: digestOf(command) }
}

/** A control message as intent-gateway tells of it; `clear` is what its event says beside the sequence, digest and command. */
export async function withdrawal(
  seq: number,
  said: object,
  { iat = START, clear = said, operator = keys.root }: { iat?: number; clear?: object; operator?: Signer } = {},
): Promise<NewEvent> {
  const claims = { iss: 'root', aud: AUDIENCE, iat, jti: randomUUID(), prev: seq - 1, reason: 'test', ...said }
  const control = await signMessage(operator, controlMessage, claims as never)
  const { command } = said as { readonly command: string }
  const detail = { seq, digest: digestOf(control), ...clear, command, iat }
  const documents = [await sealDocument(controlMessage.typ, control, recordsKey)]
  return auditEvent('control.applied', { detail, documents })
}

async function tellPlant(
  say: Say,
  { operator = keys.root, targets = ['press-1'], decided: otherwise = {} }: PlantOptions,
): Promise<{ intentDigest: string; planId: string }> {
  const records: string[] = []
  const file = async (kind: string, id: string, record: object, registered: readonly Signer[]) => {
    const { event, digest } = await filing(kind, id, 1, record, registered, operator)
    if (kind !== 'gateway') records.push(digest)
    await say(`record ${kind}`, 'intent-gateway', [event])
  }
  await file('gateway', 'g1', { keys: [keys.gateway.jwk], jurisdiction: REGION }, [keys.gateway])
  await file('agent', 'a1', { keys: [keys.agent.jwk], users: ['u1'], actions: ['restart'], groups: ['hall'] }, [
    keys.agent,
  ])
  for (const target of targets)
    await file('device', target, { gateway_id: 'g1', group: 'hall', jurisdiction: REGION, actions: ['restart'] }, [])
  await file('policy', 'active', { bundle_sha256: digestOf('a.b'), revision: 'r1' }, [])
  await say('gateway started', 'gateway', [auditEvent('source.started', {})])

  const times = { aud: AUDIENCE, iat: START, exp: START + 60 }
  const intent = await signMessage(keys.agent, intentMessage, {
    iss: 'a1',
    ...times,
    jti: 'intent-1',
    on_behalf_of: 'u1',
    action: 'restart',
    targets: [...targets],
    purpose: 'test',
  })
  const intentDigest = digestOf(intent)
  const about = { agent_id: 'a1', intent: 'restart', intent_id: 'intent-1', intent_digest: intentDigest }
  await say('intent', 'intent-gateway', [
    auditEvent('intent.accepted', { ...about, documents: [await sealDocument(intentMessage.typ, intent, userKey)] }),
  ])
  const decision = await decide(intentDigest, records, otherwise)
  const policy = { version: 1, bundle_sha256: digestOf('a.b') }
  const decided = (document: EventDocument) =>
    auditEvent('policy.decided', { ...about, policy, documents: [document] }, 'succeeded')
  await say('decision', 'policy-evaluator', [decided(decision)])
  const facts = { about, decided: decided(decision), decisionDigest: decision.digest, intentDigest, records }
  return await act(say, { ...facts, target: targets[0] })
}

async function decide(
  intentDigest: string,
  records: readonly string[],
  otherwise: Partial<Decision>,
): Promise<EventDocument> {
  const decision = await signMessage(keys.services['policy-evaluator'], decisionMessage, {
    iss: 'policy-evaluator',
    aud: AUDIENCE,
    iat: START,
    exp: START + 60,
    intent_digest: intentDigest,
    input_sha256: intentDigest,
    policy: { version: 1, bundle_sha256: digestOf('a.b') },
    outcome: 'allow',
    reasons: [],
    approvals: [],
    attestations: [],
    reports: [],
    records: [...records],
    obligations: { ttl_s: 300, max_uses: 1, max_run_s: 900, stop_on_failure: false },
    ...otherwise,
  })
  return clearDocument(decisionMessage.typ, decision)
}

interface Facts {
  readonly about: {
    readonly agent_id: string
    readonly intent: string
    readonly intent_id: string
    readonly intent_digest: string
  }
  readonly decided: NewEvent
  readonly decisionDigest: string
  readonly intentDigest: string
  readonly records: readonly string[]
  readonly target: string
}

async function act(say: Say, { about, decided, decisionDigest, intentDigest, records, target }: Facts) {
  const planId = planIdOf(intentDigest, 'g1')
  const plan = { ...about, gateway_id: 'g1', token_id: 'token-1', plan_id: planId }
  const tokenDigest = digestOf('to.ken')
  const chain = { decision_digest: decisionDigest, records: [...records] }
  await say('token', 'token-issuer', [
    auditEvent('token.issued', { ...plan, detail: { ...chain, token_digest: tokenDigest } }),
  ])
  await say('plan', 'intent-gateway', [
    decided,
    auditEvent('plan.dispatched', {
      ...plan,
      approved_by: ['policy'],
      detail: { ...chain, exp: START + PLAN_SECONDS },
    }),
  ])
  const redeem = await signMessage(keys.gateway, redeemMessage, {
    iss: 'g1',
    aud: AUDIENCE,
    iat: START,
    exp: START + 60,
    jti: 'r1',
    token_id: 'token-1',
    token_digest: tokenDigest,
    use_id: `${planId}/s0/1`,
  })
  await say('redeem', 'token-issuer', [
    auditEvent('token.redeemed', {
      ...plan,
      detail: { step_id: 's0', use: 1, token_digest: tokenDigest },
      documents: [clearDocument(redeemMessage.typ, redeem)],
    }),
  ])
  const step = { ...plan, device_id: target, detail: { step_id: 's0', use: 1 } }
  await say('action started', 'gateway', [auditEvent('action.started', step)])
  await say('action succeeded', 'gateway', [auditEvent('action.succeeded', step)])
  const outcome = await signMessage(keys.gateway, outcomeMessage, {
    iss: 'g1',
    aud: AUDIENCE,
    iat: START,
    plan_id: planId,
    intent_digest: intentDigest,
    step_id: 's0',
    device_id: target,
    action: 'restart',
    state: 'succeeded',
  })
  await say('outcome', 'intent-gateway', [
    auditEvent('action.succeeded', { ...step, documents: [await sealDocument(outcomeMessage.typ, outcome, userKey)] }),
  ])
  return { intentDigest, planId }
}

/** Messages that say nothing, to make a log long: after all that a plant says, and within the time in which nobody else counts as silent. */
export async function heartbeats(source: TestSource, count: number, from: number = START + 60): Promise<Message[]> {
  const made: Message[] = []
  for (let at = 0; at < count; at++)
    made.push(await source.message('heartbeat', from, [auditEvent('source.heartbeat', {})]))
  return made
}

class ListStream implements AuditStream {
  readonly name: string
  readonly messages: StoredMessage[] = []
  constructor(name: string) {
    this.name = name
  }
  async identity() {
    return { created: '2026', lastSeq: this.messages.length }
  }
  async read(from: number, { countMax }: { countMax: number }) {
    return this.messages.slice(from - 1, from - 1 + countMax)
  }
}

/** Seals batches one after another, through the writer of the real log. */
export async function seal(
  dir: string,
  opening: (opening: Opening) => Promise<string>,
  batches: readonly (readonly Message[])[],
  over: { readonly signer?: NoteSigner; readonly now?: Date; readonly store?: WormStore } = {},
): Promise<void> {
  const streams = [new ListStream('AUDIT'), new ListStream('AUDIT_EDGE')]
  const sealer = await Sealer.open({
    store: over.store ?? (await DirectoryStore.open(dir)),
    name: NAME,
    signer: over.signer ?? keys.log,
    streams,
    retention: { fullMs: 190 * 86_400_000, shortMs: 30 * 86_400_000 },
    now: () => over.now ?? new Date(START * 1000),
    opening,
  })
  for (const batch of batches) {
    for (const { stream, source, body } of batch) {
      const list = streams.find(({ name }) => name === stream)?.messages
      list?.push({ seq: list.length + 1, source, body: Buffer.from(body) })
    }
    while ((await sealer.seal()).more);
  }
}
