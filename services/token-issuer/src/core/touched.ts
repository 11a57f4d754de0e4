import type { Touched } from '@writ/authority'
import type { Token } from '@writ/contracts'
import type { Minted } from './uses.ts'

/** What a revoke would have to name to kill a token: all of its chain at this gateway. */
export function touchedByToken(token: Token, { users, keys }: Minted): Touched {
  return {
    agent: token.sub,
    users: [token.user, ...users],
    devices: token.scope.map((scope) => scope.slice(scope.lastIndexOf(':') + 1)),
    groups: token.groups,
    gateways: [token.aud],
    token: token.jti,
    intent: token.intent_digest,
    keys: [token.cnf.jkt, ...keys],
  }
}
