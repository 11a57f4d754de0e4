import { isFault } from '@writ/contracts'
import type { Evaluator } from '../evaluator.ts'
import { type BundleReview, reviewBundle } from '../review/review-bundle.ts'
import { type BuildOptions, buildBundle } from './build-bundle.ts'
import { checkPolicies, type PolicyCheck, type PolicyFinding } from './check-policies.ts'

export interface ReviewOptions extends BuildOptions {
  /** Sources that are not formatted are a finding too. */
  readonly format?: boolean
  /** What decided before, for the table. */
  readonly before?: Pick<Evaluator, 'evaluate'>
}

export interface PoliciesReview extends Omit<PolicyCheck, 'findings'> {
  /** Everything that is wrong; empty: the bundle may be published. */
  readonly findings: readonly (PolicyFinding | { readonly check: 'golden'; readonly message: string })[]
  /** Absent where the sources do not compile or make no bundle. */
  readonly built?: BundleReview & { readonly bytes: Uint8Array }
}

/** Checks, tests and builds a policies folder, and runs the golden decisions in the Wasm that it became. Writes nothing. */
export async function reviewPolicies(options: ReviewOptions): Promise<PoliciesReview> {
  const check = await checkPolicies(options)
  if (check.findings.some((finding) => finding.check === 'check')) return check
  try {
    const bytes = await buildBundle(options)
    const review = reviewBundle(bytes, options.before)
    const golden = review.problems.map((message) => ({ check: 'golden' as const, message }))
    return { ...check, findings: [...check.findings, ...golden], built: { ...review, bytes } }
  } catch (error) {
    if (!isFault(error)) throw error
    return { ...check, findings: [...check.findings, { check: 'golden', message: error.message }] }
  }
}
