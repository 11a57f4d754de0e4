import type { StoreCheck, StoreStatement } from '@writ/contracts'

/**
 * `ok`: as it must be. `by policy`: refused before the lock was asked, by a policy of bucket or account; as good as `ok` for whoever it binds, but no proof of the
 * lock itself. `failed`: a surprise. `not tried`: pointless or harmful after what failed before.
 */
export type CheckState = 'ok' | 'by policy' | 'failed' | 'not tried'

export interface CheckResult {
  readonly check: StoreCheck
  readonly state: CheckState
  /** What must be, in a few words. */
  readonly expected: string
  /** What was seen, in a few words: statuses, codes and names of the server, and nothing else that it said. */
  readonly observed: string
}

export function passes(results: readonly CheckResult[]): boolean {
  return results.every(({ state }) => state === 'ok' || state === 'by policy')
}

const namesOf = (results: readonly CheckResult[], wanted: CheckState): StoreCheck[] =>
  results.filter(({ state }) => state === wanted).map(({ check }) => check)

/** One sentence that names every check that failed and what was seen; undefined where all passed. */
export function problemOf(results: readonly CheckResult[]): string | undefined {
  if (passes(results)) return undefined
  const failed = results.filter(({ state }) => state === 'failed')
  const said = failed.map(({ check, expected, observed }) => `${check} (must be: ${expected}; is: ${observed})`)
  return `The store does not hold what a log needs: ${said.join(', ')}.`
}

/** What the log is told of these results. */
export function statementOf(
  kind: StoreStatement['kind'],
  results: readonly CheckResult[],
  more: Pick<StoreStatement, 'unproven' | 'residency_sha256'> = {},
): StoreStatement {
  const byPolicy = namesOf(results, 'by policy')
  const proven = passes(results)
  const { unproven, residency_sha256 } = more
  return {
    kind,
    proven,
    failed: namesOf(results, 'failed'),
    ...(byPolicy.length > 0 && { by_policy: byPolicy }),
    ...(!proven && unproven !== undefined && { unproven }),
    ...(residency_sha256 !== undefined && { residency_sha256 }),
  }
}

/** A directory keeps what is asked of it through its store, and its owner can change it with other tools. */
export function directoryResults(): readonly CheckResult[] {
  return [
    {
      check: 'directory',
      state: 'failed',
      expected: 'kept also against its owner',
      observed: 'a directory, which its owner can change',
    },
  ]
}
