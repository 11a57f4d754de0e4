import { SERVICE_ROLES } from '@writ/contracts'
import type { KeyReferences } from '@writ/plane'

/**
 * Keys of a new plane that are to lie elsewhere: `WRIT_LOG_KEY`, `WRIT_COSIGN_KEY`, `WRIT_WRAP_KEY`, and `WRIT_ANCHOR_KEY_<ROLE>` as in
 * `WRIT_ANCHOR_KEY_AUDIT_SINK`. They are fixed with the plane: a later start need not name them.
 */
export function keysIn(env: Readonly<Record<string, string | undefined>>): KeyReferences | undefined {
  const given = (name: string): string | undefined => env[name] || undefined
  const anchors = SERVICE_ROLES.flatMap((role) => {
    const reference = given(`WRIT_ANCHOR_KEY_${role.toUpperCase().replaceAll('-', '_')}`)
    return reference === undefined ? [] : [[role, reference] as const]
  })
  const [log, cosign, wrap] = ['WRIT_LOG_KEY', 'WRIT_COSIGN_KEY', 'WRIT_WRAP_KEY'].map(given)
  const keys = {
    ...(log !== undefined && { log }),
    ...(cosign !== undefined && { cosign }),
    ...(wrap !== undefined && { wrap }),
    ...(anchors.length > 0 && { anchors: Object.fromEntries(anchors) }),
  }
  return Object.keys(keys).length === 0 ? undefined : keys
}
