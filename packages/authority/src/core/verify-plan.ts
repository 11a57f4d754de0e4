import { Fault, planMessage, type RecordKind, type ServiceRole, tokenMessage } from '@writ/contracts'
import { checkTimes, jsonSha256, openMessage } from '@writ/keys'
import type { Authority } from './authority.ts'
import { planIdOf, scopeOf, stepsFor } from './ceilings.ts'
import type { Touched } from './control-state.ts'
import { type FiledRecord, type FiledValue, parseFiledValue } from './filed-record.ts'
import { touchedByChain } from './touched.ts'
import { checkEnvelope, type Verified, verifyService } from './verify.ts'
import { type RecordSource, type VerifiedChain, verifyChain } from './verify-chain.ts'

/** A plan whose whole chain holds at this gateway, and what a revoke would have to name to stop it. */
export interface VerifiedPlan {
  readonly plan: Verified<typeof planMessage>
  readonly token: Verified<typeof tokenMessage>
  readonly chain: VerifiedChain
  readonly touched: Touched
}

export interface GatewayIdentity {
  readonly id: string
  /** Thumbprint of the key that signs its redeems: the token must be bound to it. */
  readonly kid: string
}

/**
 * G1 at the gateway: plan, token, records, intent, decisions, approvals, attestations, then the gateway's own rows of CONTRACT
 * section 6, at `nowSeconds`. Whether something is revoked is asked of the control state, here and again before each step.
 * Throws the Fault of the first check that fails.
 */
export function verifyPlan(
  authority: Authority,
  body: Uint8Array | string,
  gateway: GatewayIdentity,
  nowSeconds: number,
): VerifiedPlan {
  const plan = verifyService(authority, 'intent-gateway', openMessage(planMessage, body))
  checkEnvelope(authority, plan, nowSeconds)
  const token = verifyToken(authority, plan.claims.token, gateway.id, nowSeconds)
  const filed = plan.claims.records.map((value) => parseFiledValue(value))
  const records = filed.map((value) => verifyRecord(authority, value))
  const source = recordsOfPlan(records)
  const targets = plan.claims.steps.map(({ device_id }) => device_id)
  const chain = verifyChain(authority, plan.claims, source, token.claims.iat, targets)
  checkFit(plan, token, chain, records, gateway)
  const touched = withSigners(
    authority,
    touchedByChain(chain, gateway.id, gateway.kid, token.claims),
    [
      ['intent-gateway', [plan]],
      ['token-issuer', [token]],
      ['policy-evaluator', [chain.decision, ...chain.earlier]],
      ['attestation-verifier', chain.attestations],
    ],
    filed,
  )
  const { rev } = token.claims
  // Else a token with a made-up `rev` would outlive a revoke that is lifted.
  if (rev.stream === authority.control.stream && rev.seq > authority.control.seq)
    throw new Fault('unavailable', { message: 'The control message that the token names is not applied here yet.' })
  const refusal = authority.control.tokenRefusal(rev, touched)
  if (refusal !== undefined) throw new Fault(refusal.code, { message: refusal.message })
  return { plan, token, chain, touched }
}

/** A token for a gateway, valid now. Throws Fault `wrong_gateway`, `not_yet_valid`, `token_expired`, `lifetime_too_long`. */
export function verifyToken(
  authority: Authority,
  body: string,
  gatewayId: string,
  nowSeconds: number,
): Verified<typeof tokenMessage> {
  const token = verifyService(authority, 'token-issuer', openMessage(tokenMessage, body))
  const { claims } = token
  if (claims.aud !== gatewayId) throw new Fault('wrong_gateway', { message: 'The token is for another gateway.' })
  checkTimes({ iat: Math.max(claims.iat, claims.nbf) }, nowSeconds)
  if (nowSeconds >= claims.exp) throw new Fault('token_expired', { message: 'The token has expired.' })
  checkTimes(claims, nowSeconds, tokenMessage)
  return token
}

/** What was signed by a key that is revoked later is dead from then on: the keys of the services and operators behind the chain. */
function withSigners(
  { trust }: Authority,
  touched: Touched,
  services: readonly (readonly [ServiceRole, readonly Verified[]])[],
  filed: readonly FiledValue[],
): Touched {
  const signed = services.flatMap(([role, messages]) => messages.map((message) => ({ role, message })))
  const lines = filed.flatMap(({ command, cosigns }) => [command, ...cosigns])
  const kids = [...signed.map(({ message }) => message), ...lines].map(({ jws }) => jws.kid)
  return {
    ...touched,
    keys: [...new Set([...(touched.keys ?? []), ...kids])],
    endorsements: signed.map(({ role, message: { jws, claims } }) => {
      const { iat } = claims as { readonly iat: number }
      return { role, iat: trust.endorsementAt(role, jws.kid, iat).iat }
    }),
  }
}

function verifyRecord(authority: Authority, filed: FiledValue): FiledRecord {
  const { kind, id, version, record } = filed.command.claims
  const refusal = authority.trust.refusalOf(filed)
  if (refusal !== undefined) throw refusal
  if (record === null) throw new Fault('chain_broken', { message: 'A record of the plan was removed.' })
  return { kind, id, version, record, digest: filed.command.jws.digest, value: filed.value }
}

function recordsOfPlan(records: readonly FiledRecord[]): RecordSource {
  const find = <K extends RecordKind>(kind: K, id: string) =>
    records.find((record) => record.kind === kind && record.id === id) as FiledRecord<K> | undefined
  return {
    agent: (id) => find('agent', id),
    device: (id) => find('device', id),
    approver: (id) => find('approver', id),
    policy: () => find('policy', 'active'),
  }
}

/** The gateway's rows: another's plan, key, neighbours that do not fit, steps and scope. */
function checkFit(
  plan: Verified<typeof planMessage>,
  token: Verified<typeof tokenMessage>,
  chain: VerifiedChain,
  records: readonly FiledRecord[],
  gateway: GatewayIdentity,
): void {
  const [{ claims: p }, { claims: t }, { claims: intent }] = [plan, token, chain.intent]
  if (p.gateway_id !== gateway.id) throw new Fault('wrong_gateway', { message: 'The plan is for another gateway.' })
  if (t.cnf.jkt !== gateway.kid) throw new Fault('constraint_failed', { message: 'The token is bound to another key.' })
  const { obligations } = chain.decision.claims
  const groups = [...new Set(chain.devices.map(({ record }) => record.group))]
  const used = new Set(
    [chain.agent, ...chain.devices, ...chain.approvals.map(({ approver }) => approver), chain.policy].map(
      ({ digest }) => digest,
    ),
  )
  const named = new Set(chain.decision.claims.records)
  const fits =
    t.intent_digest === chain.intent.jws.digest &&
    t.decision_digest === chain.decision.jws.digest &&
    t.sub === intent.iss &&
    t.user === intent.on_behalf_of &&
    t.plan_id === p.plan_id &&
    p.plan_id === planIdOf(chain.intent.jws.digest, gateway.id) &&
    p.exp <= t.exp &&
    t.exp - t.iat <= obligations.ttl_s &&
    t.max_uses === obligations.max_uses &&
    jsonSha256(t.bind ?? {}) === jsonSha256(obligations.bind ?? {}) &&
    sameList(t.groups, groups) &&
    sameList(
      t.records,
      records.map(({ digest }) => digest),
    ) &&
    records.every(({ digest }) => named.has(digest) && used.has(digest)) &&
    records.length === used.size
  if (!fits) throw new Fault('chain_broken', { message: 'A link of the chain does not fit its neighbour.' })
  const steps = stepsFor(intent, gateway.id, chain.devices)
  const exact =
    sameList(
      p.steps.map(({ step_id, device_id }) => `${step_id} ${device_id}`),
      steps.map(({ step_id, device_id }) => `${step_id} ${device_id}`),
    ) && sameList(t.scope, scopeOf(intent.action, steps))
  if (!exact) throw new Fault('scope_exceeded', { message: 'Steps or scope are not exactly those of the intent here.' })
}

function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index])
}
