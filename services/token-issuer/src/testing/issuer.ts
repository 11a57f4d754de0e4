import type { NewEvent } from '@writ/audit'
import { planIdOf, recordsInForce, verifyChain } from '@writ/authority'
import {
  Fault,
  type Outcome,
  outcomeMessage,
  type Redeem,
  type Result,
  redeemMessage,
  type Token,
  tokenMessage,
} from '@writ/contracts'
import { digestOf, parseJws, type Signer, signMessage } from '@writ/keys'
import { AUDIENCE, freshId, nowSeconds, type SmallPlant } from '../../../../test/support/world.ts'
import { Freshness } from '../core/freshness.ts'
import { mintClaims, mintedOf } from '../core/mint.ts'
import { RecentRedeems } from '../core/recent-redeems.ts'
import { formatValue, tokenKey } from '../core/uses.ts'
import { redeem } from '../handlers/redeem.ts'
import type { AuditLog, TokenIndex, Uses } from '../ports.ts'
import { asked } from './decisions.ts'

/** Keeps keys as the bucket does, and fails as a test says: before a write, or after it. */
export class MemoryUses implements Uses {
  readonly values = new Map<string, string>()
  /** The next writes: `lost`: not stored; `reported lost`: stored, and the caller is told that it is not known. */
  readonly fail: ('lost' | 'reported lost')[] = []

  async create(key: string, value: string): Promise<boolean> {
    const failure = this.fail.shift()
    if (failure === 'lost') throw new Fault('unavailable', { message: 'lost' })
    const created = !this.values.has(key)
    if (created) this.values.set(key, value)
    if (failure === 'reported lost') throw new Fault('unavailable', { message: 'reported lost' })
    return created
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    const value = this.values.get(key)
    return value === undefined ? undefined : new TextEncoder().encode(value)
  }
}

export class MemoryAudit implements AuditLog {
  readonly events: NewEvent[] = []
  down = false
  /** While it is pending the disk takes nothing. */
  disk: Promise<void> = Promise.resolve()

  async record(events: readonly NewEvent[]): Promise<void> {
    await this.keep(events)
  }

  async keep(events: readonly NewEvent[]): Promise<void> {
    if (this.down) throw new Fault('unavailable', { message: 'no audit' })
    await this.disk
    this.events.push(...events)
  }

  count(type: string): number {
    return this.events.filter((event) => event.type === type).length
  }
}

/** Redis that is away. */
export const NO_INDEX: TokenIndex = {
  recordToken: () => undefined,
  recordUse: () => undefined,
  spentBy: async () => undefined,
  list: async () => {
    throw new Fault('unavailable', { message: 'no Redis' })
  },
}

/** One replica that answers redeems, over a bucket that others may share. */
export function createIssuer(plant: SmallPlant, shared: { uses?: MemoryUses; index?: TokenIndex } = {}) {
  const uses = shared.uses ?? new MemoryUses()
  const audit = new MemoryAudit()
  const clock = { nowSeconds, monotonicMs: () => monotonic.nowMs }
  const monotonic = { nowMs: 0 }
  const freshness = new Freshness(clock.monotonicMs)
  freshness.acknowledged(0)
  const unsigned: string[] = []
  const deps = {
    authority: plant.authority,
    signer: plant.world.services['token-issuer'],
    uses,
    audit,
    index: shared.index ?? NO_INDEX,
    freshness,
    recent: new RecentRedeems(100),
    clock,
    auditTimeoutMs: 100,
    rev: () => plant.authority.control.rev,
    readSigners: async () => undefined,
    answered: () => undefined,
    unsigned: (id: string, code: string) => void unsigned.push(`${id} ${code}`),
    failed: (error: unknown) => {
      throw error
    },
  }
  const answer = redeem(deps)
  /** `ok`, or the code of the no. */
  const redeemed = async (body: string, gateway = 'g1'): Promise<string> => {
    const reply = parseJws(await answer(gateway, Buffer.from(body)), 10_000)
    return reply.typ === 'writ-redeemed+jwt' ? 'ok' : ((reply.payload as Result).code ?? 'no code')
  }
  return { answer, redeemed, uses, audit, monotonic, freshness, unsigned, deps }
}

/** A token as an issuer has minted and kept it. */
export interface Held {
  readonly token: string
  readonly claims: Token
  readonly planId: string
  readonly intent: string
}

export async function mintInto(
  plant: SmallPlant,
  uses: MemoryUses,
  changes: { targets?: string[]; gateway?: string; token?: Partial<Token>; signer?: Signer } = {},
): Promise<Held> {
  const { authority, world } = plant
  const gatewayId = changes.gateway ?? 'g1'
  const request = await asked(plant, { intent: { targets: changes.targets ?? ['d1'] } })
  const chain = verifyChain(authority, request, recordsInForce(authority), nowSeconds())
  const [gateway, policy] = [authority.trust.record('gateway', gatewayId), recordsInForce(authority).policy()]
  if (gateway === undefined || policy === undefined) throw new Error('registered')
  const context = {
    audience: AUDIENCE,
    gateway,
    policy,
    rev: authority.control.rev,
    nowSeconds: nowSeconds(),
    tokenId: freshId('t'),
  }
  const claims = { ...mintClaims(chain, context), ...changes.token }
  const token = await signMessage(changes.signer ?? world.services['token-issuer'], tokenMessage, claims)
  const planId = planIdOf(digestOf(request.intent), gatewayId)
  uses.values.set(tokenKey(planId), formatValue({ ...mintedOf(chain, gatewayId), token }))
  return { token, claims, planId, intent: request.intent }
}

export function redeemOf(
  plant: SmallPlant,
  held: Held,
  changes: Partial<Redeem> & { step?: string; n?: number } = {},
  signer?: Signer,
): Promise<string> {
  const { step = 's0', n = 1, ...claims } = changes
  const iat = nowSeconds()
  const iss = claims.iss ?? held.claims.aud
  return signMessage(signer ?? plant.world.signerOf('gateway', iss), redeemMessage, {
    iss,
    aud: AUDIENCE,
    iat,
    exp: iat + 60,
    jti: freshId('r'),
    token_id: held.claims.jti,
    token_digest: digestOf(held.token),
    use_id: `${held.planId}/${step}/${n}`,
    ...claims,
  })
}

export function outcomeOf(plant: SmallPlant, held: Held, changes: Partial<Outcome> = {}): Promise<string> {
  const iss = changes.iss ?? held.claims.aud
  return signMessage(plant.world.signerOf('gateway', iss), outcomeMessage, {
    iss,
    aud: AUDIENCE,
    iat: nowSeconds(),
    plan_id: held.planId,
    token_id: held.claims.jti,
    intent_digest: held.claims.intent_digest,
    step_id: 's0',
    use_id: `${held.planId}/s0/1`,
    device_id: 'd1',
    action: 'restart',
    state: 'refused',
    reason: { code: 'too_late', message: 'late' },
    ...changes,
  })
}
