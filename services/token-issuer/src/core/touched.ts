import type { Authority, Touched } from '@writ/authority'
import type { Token } from '@writ/contracts'
import type { Minted } from './uses.ts'

/** What a revoke would have to name to kill a token: all of its chain at this gateway, and the groups its devices were moved to since. */
export function touchedByToken({ trust }: Authority, token: Token, { users, keys }: Minted): Touched {
  const devices = token.scope.map((scope) => scope.slice(scope.lastIndexOf(':') + 1))
  const groups = devices.flatMap((id) => trust.record('device', id)?.record.group ?? [])
  return {
    agent: token.sub,
    users: [token.user, ...users],
    devices,
    groups: [...new Set([...token.groups, ...groups])],
    gateways: [token.aud],
    token: token.jti,
    intent: token.intent_digest,
    keys: [token.cnf.jkt, ...keys],
  }
}
