import { openBundle, type PolicyBundle } from '../bundle/open-bundle.ts'
import { Evaluator } from '../evaluator.ts'
import { decisionTable, type GoldenRow } from './compare.ts'

/** A bundle that opens and runs, with what it decides on its own golden inputs. */
export interface BundleReview {
  readonly bundle: PolicyBundle
  readonly evaluator: Evaluator
  readonly table: readonly GoldenRow[]
  /** Why it must not be published: golden decisions that it does not meet, or that it has none. */
  readonly problems: readonly string[]
}

/**
 * Runs the tests that a bundle carries, in the Wasm that will decide. Throws Fault `malformed` or `too_large` for what is no
 * bundle or does not run.
 *
 * @param before decides the column `before` of the table
 */
export function reviewBundle(bytes: Uint8Array, before?: Pick<Evaluator, 'evaluate'>): BundleReview {
  const bundle = openBundle(bytes)
  const evaluator = Evaluator.load(bundle)
  const table = decisionTable(bundle.golden, evaluator, before)
  const none = 'No golden decision says what the bundle is to decide: put some into the folder golden.'
  const problems = table.flatMap((row) => (row.failed.length === 0 ? [] : [problemOf(row, bundle)]))
  return { bundle, evaluator, table, problems: table.length === 0 ? [none] : problems }
}

function problemOf({ name, after, failed }: GoldenRow, { golden }: PolicyBundle): string {
  const expected = golden.get(name)?.expect.outcome
  if (after === undefined) return `golden/${name}: the evaluation fails; ${expected} is expected.`
  return failed.includes('outcome')
    ? `golden/${name}: ${after.outcome}; ${expected} is expected.`
    : `golden/${name}: ${after.outcome} as expected, with other ${failed.join(', ')}.`
}
