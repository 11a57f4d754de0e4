import { planIdOf } from '@writ/authority'
import {
  type Approval,
  type Attestation,
  approvalMessage,
  attestationMessage,
  type Command,
  type Decision,
  decisionMessage,
  type Intent,
  intentMessage,
  type Plan,
  planMessage,
  SERVICE_ROLES,
  type ServiceRole,
  type Token,
  tokenMessage,
} from '@writ/contracts'
import { digestOf, type Signer, signJws } from '@writ/keys'
import { AUDIENCE, BUNDLE, freshId, nowSeconds, OBLIGATIONS, REGION, type SmallPlant } from './world.ts'

/** Whose key a forger lacks: a service's, or of one registered party. */
export type Holder = ServiceRole | `${'agent' | 'approver' | 'operator' | 'gateway'}/${string}`

/** How a message of the chain differs from the good one; text: this message in its place. */
export type Part<C = object> =
  | string
  | {
      readonly claims?: object | ((good: C) => object)
      readonly by?: Signer
      readonly typ?: string
      /** Done to the signed text. */
      readonly spoil?: (good: string) => string
      /** Its rightful signer has signed it so, for reasons of his own: an old one, a no, one for something else. */
      readonly rightful?: true
    }

/** What the forger changes of a whole, good chain; what is not named is what its rightful signers have signed. */
export interface Forgery {
  readonly gateway?: string
  readonly devices?: readonly string[]
  /** With approvals by `p1` and `p2` of a decision that was shown, and an attestation result. */
  readonly rich?: true
  readonly intent?: Part<Intent>
  readonly shown?: Part<Decision>
  readonly approvals?: readonly (Part<Approval> & { readonly approver?: string })[]
  readonly attestations?: readonly Part<Attestation>[]
  readonly decision?: Part<Decision>
  readonly token?: Part<Token>
  readonly plan?: Part<Plan>
  /** The filed values, in place of those in force. */
  readonly records?: (inForce: string[]) => readonly string[] | Promise<readonly string[]>
}

export interface Forged {
  readonly plan: string
  readonly intent: string
  readonly shown: string
  readonly decision: string
  readonly approvals: readonly string[]
  readonly attestations: readonly string[]
  readonly token: string
}

export const ATTESTED = 'agent-host'
export const RICH = {
  ...OBLIGATIONS,
  approvals: { count: 2, roles: ['manager'], expires_s: 600 },
  attestation: { profile: ATTESTED, max_age_s: 300, expires_s: 60 },
}

export const claimsOf = <C>(compact: string): C =>
  JSON.parse(Buffer.from(compact.split('.')[1] ?? '', 'base64url').toString()) as C
/** The key id in a message's header, as far as it has one. */
function kidIn(compact: string): string | undefined {
  try {
    return (JSON.parse(Buffer.from(compact.split('.')[0] ?? '', 'base64url').toString()) as { kid?: string }).kid
  } catch {
    return undefined
  }
}

const typIn = (compact: string): string =>
  (JSON.parse(Buffer.from(compact.split('.')[0] ?? '', 'base64url').toString()) as { typ: string }).typ

/** Makes chains with every key there is, and knows which of their messages were signed by whom they ought to be. */
export class Forge {
  readonly plant: SmallPlant
  /** Values that were in force once. */
  readonly superseded = new Map<string, string>()
  /** The instant at which chains are signed, where it is not the real one: rows that take a while to make are of one instant. */
  now: number | undefined
  readonly #rightful = new Set<string>()
  /** What no key of its signer has signed, whatever its header says. */
  readonly #posed = new Set<string>()
  /** The claims of each message, also where its text was spoiled. */
  readonly #signed = new Map<string, object>()

  private constructor(plant: SmallPlant) {
    this.plant = plant
  }

  /** Adds to the small plant what forgers need: parties that may less than others, and devices with walls around them. */
  static async open(plant: SmallPlant): Promise<Forge> {
    const forge = new Forge(plant)
    const keys = (kind: string, id: string) => [plant.world.signerOf(kind, id).jwk]
    for (const [name, value] of plant.values) forge.superseded.set(name, value)
    const ceiling = { users: ['u1'], actions: ['restart', 'telemetry-read'], groups: ['hall'] }
    await plant.file('agent', 'a1', { keys: keys('agent', 'a1'), ...ceiling })
    await plant.file('agent', 'a2', { keys: keys('agent', 'a2'), ...ceiling })
    await plant.file('policy', 'active', { bundle_sha256: BUNDLE, revision: 'r2' })
    const device = { gateway_id: 'g1', group: 'hall', jurisdiction: REGION, actions: ['restart', 'telemetry-read'] }
    await plant.file('device', 'd-tools', { ...device, group: 'tools' })
    await plant.file('device', 'd-read', { ...device, actions: ['telemetry-read'] })
    await plant.file('device', 'd-flash', { ...device, actions: ['restart', 'firmware-update'] })
    await plant.file('device', 'd-far', { ...device, jurisdiction: 'us-east-1' })
    const { gateway_id: _, ...lone } = device
    await plant.file('device', 'd-lone', lone)
    await plant.file('device', 'd-gone', device)
    forge.superseded.set('device.d-gone', await plant.file('device', 'd-gone', null))
    const floors = {
      approved: { approvals: { count: 1, roles: ['manager'] } },
      attested: { attestation: { profile: ATTESTED, max_age_s: 60 } },
    }
    for (const [id, floor] of Object.entries(floors))
      await plant.file('device', `d-${id}`, { ...device, floors: { restart: floor } })
    for (const [id, user, roles] of [
      ['p-guest', 'guest', ['visitor']],
      ['p-self', 'u1', ['manager']],
      ['p-again', 'boss1', ['manager']],
    ] as const)
      await plant.file('approver', id, { keys: keys('approver', id), user, roles: [...roles] })
    return forge
  }

  signer(holder: Holder): Signer {
    const { world } = this.plant
    const role = SERVICE_ROLES.find((name) => name === holder)
    if (role !== undefined) return world.services[role]
    if (holder === 'operator/root') return world.root
    const [kind = '', id = ''] = holder.split('/')
    return world.signerOf(kind, id)
  }

  /** Another's key under the key id of `holder`. */
  posing(holder: Holder, as: Holder): Signer {
    return { ...this.signer(as), kid: this.signer(holder).kid }
  }

  async chain(forgery: Forgery = {}): Promise<Forged> {
    const { world, authority } = this.plant
    const devices = forgery.devices ?? ['d1']
    const gateway = forgery.gateway ?? 'g1'
    const iat = this.now ?? nowSeconds()
    const make = this.#maker()
    const envelope = (iss: string, seconds: number) => ({ iss, aud: AUDIENCE, iat, exp: iat + seconds })
    const intent = await make<Intent>(forgery.intent, intentMessage.typ, this.signer('agent/a1'), {
      ...envelope('a1', 60),
      ...{ jti: freshId('i'), on_behalf_of: 'u1', action: 'restart', targets: [...devices], purpose: 'Restart it.' },
    })
    const wish = this.#wish(intent)
    const approvers = forgery.rich
      ? (forgery.approvals ?? [{ approver: 'p1' }, { approver: 'p2' }])
      : (forgery.approvals ?? [])
    const names = approvers.map((part, index) => approverOf(part) ?? `p${index + 1}`)
    const inForce = this.#inForce(
      this.plant.values.has(`agent.${wish.iss}`) ? `agent.${wish.iss}` : 'agent.a1',
      devices,
      names,
    )
    const records = [...((await forgery.records?.([...inForce])) ?? inForce)]
    if (records.some((value) => value === undefined)) throw new Error('no such record')
    const recordDigests = [...new Set([...records, ...this.plant.values.values()])].map((value) =>
      digestOf(firstLine(value)),
    )
    const policy = claimsOf<Command>(this.value('policy.active'))
    const decided = {
      ...envelope('policy-evaluator', 60),
      ...{
        intent_digest: digestOf(intent),
        input_sha256: BUNDLE,
        policy: { version: policy.version, bundle_sha256: BUNDLE },
      },
      ...{ reasons: [], approvals: [], attestations: [], reports: [], records: recordDigests },
      obligations: forgery.rich ? RICH : OBLIGATIONS,
    }
    const evaluator = this.signer('policy-evaluator')
    const shown = forgery.rich
      ? await make<Decision>(forgery.shown, decisionMessage.typ, evaluator, {
          ...{ ...decided, exp: iat + 600 },
          outcome: 'needs_approval',
        })
      : undefined
    const approvals: string[] = []
    for (const [index, part] of approvers.entries()) {
      const id = names[index] as string
      const about = {
        intent_digest: digestOf(intent),
        decision_digest: digestOf(shown ?? intent),
        verdict: 'approve' as const,
      }
      const good = { ...envelope(id, 600), jti: freshId('y'), ...about }
      approvals.push(await make<Approval>(rest(part), approvalMessage.typ, this.signer(`approver/${id}`), good))
    }
    const attestations: string[] = []
    for (const part of forgery.attestations ?? (forgery.rich ? [undefined] : [])) {
      attestations.push(
        await make<Attestation>(part, attestationMessage.typ, this.signer('attestation-verifier'), {
          ...envelope('attestation-verifier', 300),
          ...{ request: BUNDLE, sub: 'agent/a1', cnf: { jkt: this.signer('agent/a1').kid }, profile: ATTESTED },
          ...{ evidence_sha256: BUNDLE, policy_sha256: BUNDLE, submods: { host: { 'ear.status': 'affirming' } } },
        }),
      )
    }
    const decision = await make<Decision>(forgery.decision, decisionMessage.typ, evaluator, {
      ...decided,
      outcome: 'allow',
      ...(shown !== undefined && { first: digestOf(shown), shown: digestOf(shown) }),
      ...{ approvals: approvals.map(digestOf), attestations: attestations.map(digestOf) },
    })
    const plan_id = planIdOf(digestOf(intent), gateway)
    const token = await make<Token>(forgery.token, tokenMessage.typ, this.signer('token-issuer'), {
      ...{ ...envelope(AUDIENCE, 300), aud: gateway, nbf: iat, sub: wish.iss, jti: freshId('t') },
      scope: devices.map((device) => `device:${wish.action}:${device}`),
      cnf: { jkt: world.signerOf('gateway', gateway).kid },
      ...{ intent_digest: digestOf(intent), decision_digest: digestOf(decision), plan_id, user: wish.on_behalf_of },
      groups: [...new Set(devices.map((device) => this.#groupOf(device)))],
      records: records.map((value) => digestOf(firstLine(value))),
      ...{ rev: authority.control.rev, max_uses: 1 },
    })
    const plan = await make<Plan>(forgery.plan, planMessage.typ, this.signer('intent-gateway'), {
      ...{ ...envelope('intent-gateway', 300), plan_id, gateway_id: gateway },
      steps: devices.map((device_id, index) => ({ step_id: `s${index}`, device_id })),
      ...{ token, intent, decision, earlier: shown === undefined ? [] : [shown], approvals, attestations, records },
    })
    return { plan, intent, shown: shown ?? '', decision, approvals, attestations, token }
  }

  /** Throws when the plan holds a message under the key of `holder` that `holder` has not signed: then the row proves nothing. */
  assertLacked(holder: Holder, plan: string): void {
    const { kid } = this.signer(holder)
    for (const value of [...this.plant.values.values(), ...this.superseded.values()])
      this.#rightful.add(digestOf(firstLine(value)))
    for (const message of messagesIn(plan)) {
      const posed = this.#posed.has(message)
      if (kidIn(message) === kid && !posed && !this.#rightful.has(digestOf(message)))
        throw new Error(`it uses the key of ${holder}, which it says that it lacks`)
    }
  }

  /** Messages are rightful as long as everything before them in the chain is. */
  #maker() {
    let whole = true
    return async <C extends object>(
      part: Part<C> | undefined,
      typ: string,
      signer: Signer,
      good: C,
    ): Promise<string> => {
      if (typeof part === 'string') {
        whole &&= this.#rightful.has(digestOf(part))
        return part
      }
      const changes = typeof part?.claims === 'function' ? part.claims(good) : part?.claims
      const by = part?.by ?? signer
      const signed = await signJws(by, part?.typ ?? typ, { ...good, ...changes })
      const jws = part?.spoil?.(signed) ?? signed
      const rightful = part === undefined || part.rightful === true
      this.#signed.set(jws, { ...good, ...changes })
      if (rightful && whole) this.#rightful.add(digestOf(jws))
      if (part?.by !== undefined && part.by.sign !== signer.sign) this.#posed.add(jws)
      if (part?.spoil !== undefined) this.#posed.add(jws)
      whole &&= rightful
      return jws
    }
  }

  /** What an intent asks, as far as it says anything. */
  #wish(intent: string): Pick<Intent, 'iss' | 'on_behalf_of' | 'action'> {
    const said = this.#signed.get(intent) ?? claimsOf<Partial<Intent>>(intent)
    const { iss = 'a1', on_behalf_of = 'u1', action = 'restart' } = said as Partial<Intent>
    return { iss, on_behalf_of, action }
  }

  #inForce(agent: string, devices: readonly string[], approvers: readonly string[]): string[] {
    const names = [
      agent,
      ...devices.map((id) => `device.${id}`),
      ...approvers.map((id) => `approver.${id}`),
      'policy.active',
    ]
    return [...new Set(names)].map((name) => this.value(name))
  }

  /** A message made again, changed. */
  async remade(message: string, signer: Signer, { claims, by, typ, spoil }: Exclude<Part, string>): Promise<string> {
    const good = claimsOf<object>(message)
    const changes = typeof claims === 'function' ? claims(good) : claims
    const signed = await signJws(by ?? signer, typ ?? typIn(message), { ...good, ...changes })
    const made = spoil?.(signed) ?? signed
    if ((by !== undefined && by.sign !== signer.sign) || spoil !== undefined) this.#posed.add(made)
    return made
  }

  /** A command of its own making in place of a filed value. */
  record(name: string, part: Exclude<Part, string>): Promise<string> {
    return this.remade(this.value(name), this.plant.world.root, part)
  }

  /** The filed value in force. */
  value(name: string): string {
    const value = this.plant.values.get(name)
    if (value === undefined) throw new Error(`no record ${name}`)
    return value
  }

  #groupOf(device: string): string {
    return claimsOf<{ record: { group: string } | null }>(this.value(`device.${device}`)).record?.group ?? 'hall'
  }
}

const firstLine = (value: string): string => value.split('\n')[0] as string

function approverOf(
  part: Forgery['approvals'] extends readonly (infer P)[] | undefined ? P : never,
): string | undefined {
  return typeof part === 'string' ? claimsOf<{ iss: string }>(part).iss : part.approver
}

/** Without what only names the approver; nothing else: the good one. */
function rest(part: NonNullable<Forgery['approvals']>[number]): Part<Approval> | undefined {
  if (typeof part === 'string') return part
  const { approver: _, ...changes } = part
  return Object.keys(changes).length === 0 ? undefined : changes
}

/** Every signed message of a plan, the plan itself too, as far as it can be read. */
function messagesIn(plan: string): string[] {
  try {
    const { token, intent, decision, earlier, approvals, attestations, records } = claimsOf<Plan>(plan)
    const inside = [token, intent, decision, ...earlier, ...approvals, ...attestations, ...records].flatMap((each) =>
      each.split('\n'),
    )
    return [plan, ...inside].filter((message) => message.split('.').length === 3)
  } catch {
    return []
  }
}
