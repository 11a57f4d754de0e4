import { type Authority, createAuthority, planIdOf } from '@writ/authority'
import {
  approvalMessage,
  commandMessage,
  controlMessage,
  type Decision,
  decisionMessage,
  type Intent,
  intentMessage,
  keyMessage,
  type Obligations,
  type Plan,
  type PublicJwk,
  planMessage,
  type RecordKind,
  type RecordOf,
  SERVICE_ROLES,
  type ServiceRole,
  type Token,
  type Trust,
  tokenMessage,
} from '@writ/contracts'
import { digestOf, ephemeralSigner, type Signer, signMessage } from '@writ/keys'

export const REGION = 'eusc-de-east-1'
export const AUDIENCE = `writ:${REGION}`
export const nowSeconds = (): number => Math.floor(Date.now() / 1000)
export const OBLIGATIONS: Obligations = { ttl_s: 300, max_uses: 1, max_run_s: 900, stop_on_failure: false }
let ids = 0
export const freshId = (prefix: string): string => `${prefix}${Date.now().toString(36)}${(ids++).toString(36)}`

/** Real keys of every role, and real signed messages made with them: what a test plays other parties with. */
export interface World {
  readonly trust: Trust
  readonly root: Signer
  readonly anchors: Record<ServiceRole, Signer>
  readonly services: Record<ServiceRole, Signer>
  readonly parties: Map<string, Signer>
  /** `kind/id` → its signer, made at first use. */
  signerOf(kind: string, id: string): Signer
  endorse(
    role: ServiceRole,
    options?: { signer?: Signer; anchor?: Signer; iat?: number; exp?: number; as?: ServiceRole },
  ): Promise<string>
  /** A command signed by the root operator (or another), with the next version of that kind and id. */
  file<K extends RecordKind>(
    kind: K,
    id: string,
    record: RecordOf<K> | null,
    options?: { by?: Signer; iss?: string; version?: number },
  ): Promise<string>
  control(claims: object, options?: { by?: Signer; iss?: string }): Promise<string>
}

export async function createWorld(newSigner: () => Signer = ephemeralSigner): Promise<World> {
  const signers = () =>
    Object.fromEntries(SERVICE_ROLES.map((role) => [role, newSigner()])) as Record<ServiceRole, Signer>
  const [root, anchors, services] = [newSigner(), signers(), signers()]
  const parties = new Map<string, Signer>()
  const versions = new Map<string, number>()
  const jwks = Object.fromEntries(SERVICE_ROLES.map((role) => [role, anchors[role].jwk])) as Record<
    ServiceRole,
    PublicJwk
  >
  const iat = nowSeconds()
  return {
    trust: { operators: { root: root.jwk }, anchors: jwks, log_vkeys: [], two_person: [] },
    root,
    anchors,
    services,
    parties,
    signerOf(kind, id) {
      const name = `${kind}/${id}`
      const signer = parties.get(name) ?? newSigner()
      parties.set(name, signer)
      return signer
    },
    endorse(role, options = {}) {
      const signer = options.signer ?? services[role]
      const at = options.iat ?? iat - 600
      const as = options.as ?? role
      return signMessage(options.anchor ?? anchors[as], keyMessage, {
        iss: as,
        aud: AUDIENCE,
        iat: at,
        exp: options.exp ?? at + 3600,
        role: as,
        kid: signer.kid,
        jwk: signer.jwk,
        instance: 'i0',
        boot: 'b0',
      })
    },
    file(kind, id, record, options = {}) {
      const version = options.version ?? (versions.get(`${kind}.${id}`) ?? 0) + 1
      versions.set(`${kind}.${id}`, version)
      const claims = {
        iss: options.iss ?? 'root',
        aud: AUDIENCE,
        iat,
        exp: iat + 300,
        jti: freshId('c'),
        kind,
        id,
        version,
        record,
        reason: 'test',
      }
      return signMessage(options.by ?? root, commandMessage, claims as never)
    },
    control(claims, options = {}) {
      return signMessage(options.by ?? root, controlMessage, {
        iss: options.iss ?? 'root',
        aud: AUDIENCE,
        iat,
        jti: freshId('k'),
        reason: 'test',
        ...claims,
      } as never)
    },
  }
}

/** Agent `a1` for user `u1`; devices `d1`, `d2` on gateway `g1` and `d3` on `g2`, all of group `hall`; approvers `p1`, `p2`. */
export interface SmallPlant {
  readonly world: World
  readonly authority: Authority
  /** Filed values by `kind.id`. */
  readonly values: Map<string, string>
  /** The next control sequence to be applied. */
  applyControl(claims: object, options?: { by?: Signer; iss?: string }): Promise<string>
  file<K extends RecordKind>(kind: K, id: string, record: RecordOf<K> | null): Promise<string>
}

export const BUNDLE = 'A'.repeat(43)

export async function createSmallPlant(newSigner?: () => Signer): Promise<SmallPlant> {
  const world = await createWorld(newSigner)
  const authority = createAuthority(REGION, world.trust)
  const values = new Map<string, string>()
  let seq = 0
  const plant: SmallPlant = {
    world,
    authority,
    values,
    async applyControl(claims, options) {
      const compact = await world.control({ prev: authority.control.seq, ...claims }, options)
      authority.control.apply({
        operatorId: options?.iss ?? 'root',
        seq: ++seq,
        data: Buffer.from(compact),
        ttl: false,
      })
      return compact
    },
    async file(kind, id, record) {
      const value = await world.file(kind, id, record)
      authority.trust.apply({ kind, id, data: Buffer.from(value) })
      values.set(`${kind}.${id}`, value)
      return value
    },
  }
  for (const role of SERVICE_ROLES) {
    const endorsement = await world.endorse(role)
    authority.trust.apply({ kind: 'key', id: world.services[role].kid, data: Buffer.from(endorsement) })
  }
  await plant.applyControl({ command: 'genesis', stream: 's1' })
  const keys = (kind: string, id: string) => [world.signerOf(kind, id).jwk]
  for (const id of ['g1', 'g2']) await plant.file('gateway', id, { keys: keys('gateway', id), jurisdiction: REGION })
  for (const [id, gateway_id] of [
    ['d1', 'g1'],
    ['d2', 'g1'],
    ['d3', 'g2'],
  ] as const) {
    await plant.file('device', id, {
      gateway_id,
      group: 'hall',
      jurisdiction: REGION,
      actions: ['restart', 'telemetry-read'],
    })
  }
  await plant.file('agent', 'a1', {
    keys: keys('agent', 'a1'),
    users: ['u1'],
    actions: ['restart', 'telemetry-read'],
    groups: ['hall'],
  })
  for (const [id, user] of [
    ['p1', 'boss1'],
    ['p2', 'boss2'],
  ] as const)
    await plant.file('approver', id, { keys: keys('approver', id), user, roles: ['manager'] })
  await plant.file('policy', 'active', { bundle_sha256: BUNDLE, revision: 'r1' })
  return plant
}

export function intentOf(
  plant: Pick<SmallPlant, 'world'>,
  changes: Partial<Intent> = {},
  signer?: Signer,
): Promise<string> {
  const iat = nowSeconds()
  const claims = {
    iss: 'a1',
    aud: AUDIENCE,
    iat,
    exp: iat + 60,
    jti: freshId('i'),
    on_behalf_of: 'u1',
    action: 'restart',
    targets: ['d1'],
    purpose: 'test',
    ...changes,
  }
  return signMessage(signer ?? plant.world.signerOf('agent', claims.iss), intentMessage, claims)
}

export function decisionOf(
  plant: SmallPlant,
  intent: string,
  changes: Partial<Decision> = {},
  signer?: Signer,
): Promise<string> {
  const iat = nowSeconds()
  const digests = [
    'agent.a1',
    'device.d1',
    'device.d2',
    'device.d3',
    'approver.p1',
    'approver.p2',
    'policy.active',
  ].map((name) => digestOf((plant.values.get(name) as string).split('\n')[0] as string))
  return signMessage(signer ?? plant.world.services['policy-evaluator'], decisionMessage, {
    iss: 'policy-evaluator',
    aud: AUDIENCE,
    iat,
    exp: iat + 60,
    intent_digest: digestOf(intent),
    input_sha256: BUNDLE,
    policy: { version: 1, bundle_sha256: BUNDLE },
    outcome: 'allow',
    reasons: [],
    approvals: [],
    attestations: [],
    reports: [],
    records: digests,
    obligations: OBLIGATIONS,
    ...changes,
  })
}

export function approvalOf(
  plant: SmallPlant,
  id: string,
  intent: string,
  shown: string,
  changes: object = {},
): Promise<string> {
  const iat = nowSeconds()
  return signMessage(plant.world.signerOf('approver', id), approvalMessage, {
    iss: id,
    aud: AUDIENCE,
    iat,
    exp: iat + 600,
    jti: freshId('y'),
    intent_digest: digestOf(intent),
    decision_digest: digestOf(shown),
    verdict: 'approve',
    ...changes,
  })
}

export interface PlanParts {
  readonly intent: string
  readonly decision: string
  readonly token: string
  readonly plan: string
}

/** A whole, good plan of one device for `g1`; `changes` are applied to the claims before they are signed. */
export async function planOf(
  plant: SmallPlant,
  changes: {
    intent?: Partial<Intent>
    decision?: Partial<Decision>
    token?: Partial<Token>
    plan?: Partial<Plan>
    approvals?: string[]
    earlier?: string[]
    gateway?: string
    devices?: string[]
    signers?: { intent?: Signer; decision?: Signer; token?: Signer; plan?: Signer }
    intentJws?: string
    decisionJws?: string
  } = {},
): Promise<PlanParts> {
  const { world } = plant
  const gateway = changes.gateway ?? 'g1'
  const devices = changes.devices ?? ['d1']
  const intent =
    changes.intentJws ?? (await intentOf(plant, { targets: devices, ...changes.intent }, changes.signers?.intent))
  const approvals = changes.approvals ?? []
  const decision =
    changes.decisionJws ??
    (await decisionOf(
      plant,
      intent,
      { approvals: approvals.map((a) => digestOf(a)), ...changes.decision },
      changes.signers?.decision,
    ))
  const approvers = approvals.map(
    (a) =>
      `approver.${(JSON.parse(Buffer.from(a.split('.')[1] as string, 'base64url').toString()) as { iss: string }).iss}`,
  )
  const records = ['agent.a1', ...devices.map((d) => `device.${d}`), ...approvers, 'policy.active'].map(
    (name) => plant.values.get(name) as string,
  )
  const iat = nowSeconds()
  const plan_id = planIdOf(digestOf(intent), gateway)
  const token = await signMessage(changes.signers?.token ?? world.services['token-issuer'], tokenMessage, {
    iss: AUDIENCE,
    sub: 'a1',
    aud: gateway,
    jti: freshId('t'),
    iat,
    nbf: iat,
    exp: iat + 300,
    scope: devices.map((d) => `device:restart:${d}`),
    cnf: { jkt: world.signerOf('gateway', gateway).kid },
    intent_digest: digestOf(intent),
    decision_digest: digestOf(decision),
    plan_id,
    user: 'u1',
    groups: ['hall'],
    records: records.map((value) => digestOf(value.split('\n')[0] as string)),
    rev: plant.authority.control.rev,
    max_uses: 1,
    ...changes.token,
  })
  const plan = await signMessage(changes.signers?.plan ?? world.services['intent-gateway'], planMessage, {
    iss: 'intent-gateway',
    aud: AUDIENCE,
    iat,
    exp: iat + 300,
    plan_id,
    gateway_id: gateway,
    steps: devices.map((device_id, index) => ({ step_id: `s${index}`, device_id })),
    token,
    intent,
    decision,
    earlier: changes.earlier ?? [],
    approvals,
    attestations: [],
    records,
    ...changes.plan,
  })
  return { intent, decision, token, plan }
}
