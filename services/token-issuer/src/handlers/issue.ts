import { auditEvent, type NewEvent } from '@writ/audit'
import { type Authority, planIdOf, touchedByChain, verifyService } from '@writ/authority'
import { Fault, type issueRpc, type Rev, type Token, tokenMessage } from '@writ/contracts'
import { digestOf, openMessage, type Signer, signMessage } from '@writ/keys'
import { caughtUp } from '@writ/service-kit'
import type { z } from 'zod'
import { DecideAgain, decideAgain } from '../core/decide-again.ts'
import type { Freshness } from '../core/freshness.ts'
import { bindingKey, mintClaims, mintedOf } from '../core/mint.ts'
import type { RecentSet } from '../core/recent-set.ts'
import { touchedByToken } from '../core/touched.ts'
import { closedReason, formatValue, type Minted, parseTokenValue, tokenKey } from '../core/uses.ts'
import type { AuditLog, Clock, Evaluators, TokenIndex, Uses } from '../ports.ts'

export interface IssueDeps {
  readonly authority: Authority
  readonly signer: Signer
  readonly evaluators: Evaluators
  readonly uses: Uses
  readonly audit: AuditLog
  readonly index: TokenIndex
  readonly freshness: Freshness
  readonly clock: Clock
  /** The control message applied last. Throws Fault `unavailable` while CONTROL cannot be relied on. */
  readonly rev: () => Rev
  /** Reads SIGNERS, REGISTRY and CONTROL to their ends. */
  readonly catchUp: () => Promise<void>
  /** Tokens whose `token.issued` this process has recorded, and those that are being recorded. */
  readonly recorded: RecentSet
  readonly recording: Map<string, Promise<void>>
  readonly newId: () => string
  /** Told of every answer: `ok`, `again` or the code. */
  readonly answered: (code: string) => void
}

type Request = z.output<typeof issueRpc.request>
type Reply = z.input<typeof issueRpc.reply>

/**
 * Decides again and mints the one token of an intent and gateway. Once its bytes are kept under `<plan_id>.token` they are what
 * everybody is given who asks again, whatever was decided since.
 */
export function issue(deps: IssueDeps): (request: Request) => Promise<Reply> {
  return async (request) => {
    deps.freshness.assert()
    try {
      const token = await mint(deps, request)
      deps.answered('ok')
      return { ok: true, token }
    } catch (error) {
      deps.answered(error instanceof DecideAgain ? 'again' : error instanceof Fault ? error.code : 'internal')
      if (!(error instanceof DecideAgain)) throw error
      const kept = await keptToken(deps, planIdOf(digestOf(request.intent), request.gateway_id))
      return kept === undefined ? { ok: false, ...error.reason, again: true } : { ok: true, token: kept }
    }
  }
}

async function mint(deps: IssueDeps, request: Request): Promise<string> {
  const policy = deps.authority.trust.record('policy', 'active')
  if (policy === undefined) throw new Fault('unavailable', { message: 'No policy is active.' })
  const evaluator = await deps.evaluators.get(policy.record.bundle_sha256)
  const { claims, minted } = await caughtUp(deps.catchUp, () => decided(deps, request, evaluator))
  const token = await signMessage(deps.signer, tokenMessage, claims)
  deps.freshness.assert()
  if (await deps.uses.create(tokenKey(claims.plan_id), formatValue({ ...minted, token })))
    return handOut(deps, token, claims)
  const kept = await keptToken(deps, claims.plan_id)
  if (kept === undefined) throw new Fault('unavailable', { message: 'The token that was minted cannot be read now.' })
  return kept
}

/** Nothing in here waits, so everything is judged by one state of records and CONTROL: the one that `rev` names. */
function decided(
  deps: IssueDeps,
  request: Request,
  evaluator: Awaited<ReturnType<Evaluators['get']>>,
): { readonly claims: Token; readonly minted: Omit<Minted, 'token'> } {
  const { authority } = deps
  const rev = deps.rev()
  const nowSeconds = deps.clock.nowSeconds()
  const { chain, policy } = decideAgain(authority, request, evaluator, nowSeconds)
  const gateway = authority.trust.record('gateway', request.gateway_id)
  if (gateway === undefined) throw new Fault('device_without_gateway', { message: 'The gateway is not registered.' })
  const { audience } = authority
  const claims = mintClaims(chain, { audience, gateway, policy, rev, nowSeconds, tokenId: deps.newId() })
  const refusal = authority.control.refusalOf(touchedByChain(chain, gateway.id, bindingKey(gateway)))
  if (refusal !== undefined) throw new Fault(refusal.code, refusal)
  return { claims, minted: mintedOf(chain, gateway.id) }
}

/** The token minted before, while it is alive. Throws the reason for which the plan was closed or the token is dead. */
async function keptToken(deps: IssueDeps, planId: string): Promise<string | undefined> {
  const { authority } = deps
  const bytes = await deps.uses.get(tokenKey(planId))
  if (bytes === undefined) return undefined
  const value = parseTokenValue(bytes)
  if ('closed' in value) throw new Fault(closedReason(value).code, closedReason(value))
  const claims = await caughtUp(deps.catchUp, () => openKept(authority, value))
  if (deps.clock.nowSeconds() >= claims.exp) throw new Fault('token_expired', { message: 'The token has expired.' })
  return handOut(deps, value.token, claims)
}

function openKept(authority: Authority, minted: Minted): Token {
  const opened = openMessage(tokenMessage, minted.token)
  const { claims } = verifyService(authority, 'token-issuer', opened)
  const refusal = authority.control.tokenRefusal(claims.rev, touchedByToken(authority, claims, minted))
  if (refusal !== undefined) throw new Fault(refusal.code, refusal)
  return claims
}

/** Nobody is given a token before its record is kept; by whom it was minted does not matter. Who asks meanwhile waits for the same record. */
async function handOut(deps: IssueDeps, token: string, claims: Token): Promise<string> {
  const { recorded, recording } = deps
  const { jti } = claims
  if (recorded.has(jti)) return token
  const mine = recording.get(jti) ?? record(deps, token, claims).finally(() => recording.delete(jti))
  recording.set(jti, mine)
  await mine
  return token
}

async function record({ audit, index, recorded }: IssueDeps, token: string, claims: Token): Promise<void> {
  await audit.keep([issuedEvent(token, claims)])
  recorded.add(claims.jti)
  index.recordToken({ tokenId: claims.jti, agentId: claims.sub, iat: claims.iat, token })
}

function issuedEvent(token: string, claims: Token): NewEvent {
  return auditEvent('token.issued', {
    agent_id: claims.sub,
    gateway_id: claims.aud,
    intent_digest: claims.intent_digest,
    token_id: claims.jti,
    plan_id: claims.plan_id,
    detail: {
      token_digest: digestOf(token),
      decision_digest: claims.decision_digest,
      exp: claims.exp,
      max_uses: claims.max_uses,
      rev: { ...claims.rev },
      records: [...claims.records],
    },
  })
}
