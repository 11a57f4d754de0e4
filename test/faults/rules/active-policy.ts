import type { ActivePolicy } from '../history.ts'
import { eventsOf, type Finding, type Rule } from './rule.ts'

/** What is asked after a version of the policy was filed is decided under that version or a later one, by whoever decides it. */
export const activePolicy: Rule = (history) => {
  const { policies, asked, plans } = history
  const askedAt = new Map(asked.map(({ digest, at }) => [digest, at]))
  const decided = eventsOf(history).filter(({ type }) => type === 'policy.decided')
  return [...decided, ...plans].flatMap(({ intent_digest, bundle_sha256 }): Finding[] => {
    const at = askedAt.get(intent_digest ?? '')
    if (at === undefined || bundle_sha256 === undefined) return []
    if (allowedAt(policies, at).has(bundle_sha256)) return []
    return [
      {
        rule: 'active-policy',
        about: intent_digest ?? '',
        message: 'it was decided under a bundle that was not active any more',
      },
    ]
  })
}

/** The bundles of the version that was in force, and of all later ones. */
function allowedAt(policies: readonly ActivePolicy[], at: number): ReadonlySet<string> {
  const inForce = Math.max(0, ...policies.filter((policy) => policy.at < at).map(({ version }) => version))
  return new Set(policies.filter(({ version }) => version >= inForce).map(({ bundle_sha256 }) => bundle_sha256))
}
