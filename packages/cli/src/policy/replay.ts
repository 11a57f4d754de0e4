import type { DecisionOutcome } from '@writ/contracts'
import type { Evaluator, PolicyDecision } from '@writ/policy'
import { differences, tryDecide } from '@writ/policy/review'
import type { RecordedDecisions } from './recorded-decisions.ts'

/** A recorded decision that another bundle would take otherwise. */
export interface ReplayedChange {
  readonly decision: string
  /** NumericDate of the decision. */
  readonly at: number
  readonly intent_id: string
  readonly agent_id: string
  readonly action: string
  readonly targets: readonly string[]
  /** The version of `policy/active` that it was taken under. */
  readonly version: number
  readonly before: PolicyDecision
  /** Absent: the evaluation fails. */
  readonly after?: PolicyDecision
  /** `outcome`, `reasons`, `obligations.<name>` */
  readonly changed: readonly string[]
}

export interface Replay {
  /** Recorded decisions that were looked at. */
  readonly decisions: number
  /** Those of them that were decided again, since their input could be made again and its digest is the recorded one. */
  readonly replayed: number
  /** Those whose documents are not here: erased, or sealed under a key that was not given. */
  readonly missing: number
  /** Those whose documents make another input than the recorded one. */
  readonly unproven: number
  /** Older entries with other decisions, which the limit left out. */
  readonly left_out: number
  /** Entries that tell of decisions and do not verify: nothing of them is among the decisions. */
  readonly unverified: number
  /** Entries of the log that are no audit message. */
  readonly unreadable: number
  readonly changes: readonly ReplayedChange[]
}

/** The name under which a bundle that is not published yet would decide. */
export interface CandidatePolicy {
  readonly version: number
  readonly bundleSha256: string
}

/** Decides recorded decisions again under another bundle: the same input but for `policy`, at the same instant. */
export function replay(
  { decisions: recorded, leftOut, unverified, unreadable }: RecordedDecisions,
  evaluator: Pick<Evaluator, 'evaluate'>,
  { version, bundleSha256 }: CandidatePolicy,
): Replay {
  const changes: ReplayedChange[] = []
  const counts = { missing: 0, unproven: 0 }
  for (const { digest, claims, rebuilt } of recorded) {
    if (rebuilt.state !== 'rebuilt') {
      counts[rebuilt.state === 'missing' ? 'missing' : 'unproven']++
      continue
    }
    const { input, intent } = rebuilt
    const before: PolicyDecision = {
      outcome: claims.outcome,
      reasons: claims.reasons,
      obligations: claims.obligations,
    }
    const after = tryDecide(evaluator, { ...input, policy: { version, bundle_sha256: bundleSha256 } })
    const changed = differences(before, after)
    if (changed.length === 0) continue
    changes.push({
      decision: digest,
      at: claims.iat,
      intent_id: intent.jti,
      agent_id: intent.iss,
      action: intent.action,
      targets: intent.targets,
      version: claims.policy.version,
      before,
      ...(after !== undefined && { after }),
      changed,
    })
  }
  const { missing, unproven } = counts
  const replayed = recorded.length - missing - unproven
  return {
    decisions: recorded.length,
    replayed,
    missing,
    unproven,
    left_out: leftOut,
    unverified,
    unreadable,
    changes,
  }
}

/** How often which outcome becomes which: `allow → deny`, the most frequent first. Same outcomes stand for other changes. */
export function turns(changes: readonly ReplayedChange[]): readonly (readonly [string, number])[] {
  const counts = new Map<string, number>()
  for (const { before, after } of changes) {
    const to: DecisionOutcome | 'cannot decide' = after?.outcome ?? 'cannot decide'
    const turn = before.outcome === to ? `${to} with other reasons or obligations` : `${before.outcome} → ${to}`
    counts.set(turn, (counts.get(turn) ?? 0) + 1)
  }
  return [...counts].toSorted(([, a], [, b]) => b - a)
}
