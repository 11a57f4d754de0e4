import type { Session } from '@writ/agent-sdk'
import { type Authority, verifyService } from '@writ/authority'
import { Fault, type Token, tokenMessage } from '@writ/contracts'
import { openMessage } from '@writ/keys'
import { withAdvice } from '../advice.ts'
import { everyItem } from '../operator/ask-broker.ts'

/** `live`: nothing is known against it; whether uses of it are left only token-issuer knows. */
export type TokenState = 'live' | 'expired' | 'revoked' | 'quarantined'

export interface ListedToken {
  readonly token_id: string
  readonly state: TokenState
  readonly agent_id: string
  readonly user: string
  readonly gateway_id: string
  readonly scope: readonly string[]
  readonly intent_digest: string
  readonly plan_id: string
  /** RFC 3339. */
  readonly issued_at: string
  readonly expires_at: string
  readonly max_uses: number
  /** The control message that its issuer had applied last. */
  readonly rev: Token['rev']
}

export interface ShownToken extends ListedToken {
  readonly decision_digest: string
  readonly groups: readonly string[]
  readonly records: readonly string[]
  readonly bind?: Token['bind']
}

/** Tokens of the last day, newest first, each verified as token-issuer's. Throws Fault `unavailable` while Redis does not answer. */
export async function* tokensOf(
  session: Session,
  agentId: string | undefined,
  tokensMax: number,
): AsyncGenerator<Token, void> {
  await session.reader.control()
  const args = agentId === undefined ? {} : { agent_id: agentId }
  for await (const item of everyItem(session, 'tokens', args, tokensMax)) {
    const opened = openMessage(tokenMessage, item)
    yield await session.withKeys(() => verifyService(session.authority, 'token-issuer', opened).claims)
  }
}

export async function listTokens(
  session: Session,
  agentId: string | undefined,
  tokensMax: number,
): Promise<readonly ListedToken[]> {
  const found: ListedToken[] = []
  for await (const token of tokensOf(session, agentId, tokensMax)) found.push(listedToken(session.authority, token))
  return found
}

/** Throws Fault `token_unknown`: none of the last day has this id. */
export async function showToken(session: Session, tokenId: string): Promise<ShownToken> {
  for await (const token of tokensOf(session, undefined, Infinity)) {
    if (token.jti !== tokenId) continue
    const { decision_digest, groups, records, bind } = token
    return {
      ...listedToken(session.authority, token),
      decision_digest,
      groups,
      records,
      ...(bind !== undefined && { bind }),
    }
  }
  const fault = new Fault('token_unknown', { message: `No token ${tokenId} is known.` })
  throw withAdvice(fault, 'Tokens are remembered for a day; the audit log has every one: writ audit trace.')
}

function listedToken(authority: Authority, token: Token): ListedToken {
  const { jti, sub, user, aud, scope, intent_digest, plan_id, iat, exp, max_uses, rev } = token
  return {
    token_id: jti,
    state: tokenState(authority, token, Math.floor(Date.now() / 1000)),
    agent_id: sub,
    user,
    gateway_id: aud,
    scope,
    intent_digest,
    plan_id,
    issued_at: new Date(iat * 1000).toISOString(),
    expires_at: new Date(exp * 1000).toISOString(),
    max_uses,
    rev,
  }
}

/** By the clock and by CONTROL, as its gateway would say. */
export function tokenState({ control }: Authority, token: Token, nowSeconds: number): TokenState {
  const refusal = control.tokenRefusal(token.rev, {
    agent: token.sub,
    users: [token.user],
    devices: token.scope.map((scope) => scope.slice(scope.lastIndexOf(':') + 1)),
    groups: token.groups,
    gateways: [token.aud],
    token: token.jti,
    intent: token.intent_digest,
    keys: [token.cnf.jkt],
  })
  if (refusal !== undefined) return refusal.code === 'quarantined' ? 'quarantined' : 'revoked'
  return nowSeconds < token.exp ? 'live' : 'expired'
}
