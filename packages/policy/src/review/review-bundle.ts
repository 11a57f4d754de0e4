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
  const failed = table.filter((row) => row.failed.length > 0)
  const problems = failed.map(({ name, failed: how, after }) => {
    const decided = after === undefined ? 'the evaluation fails' : `decided ${after.outcome}`
    return `golden/${name}: ${decided}; other than expected in ${how.join(', ')}.`
  })
  return { bundle, evaluator, table, problems: table.length === 0 ? [none] : problems }
}
