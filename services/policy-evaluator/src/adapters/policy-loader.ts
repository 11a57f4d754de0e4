import type { Authority } from '@writ/authority'
import type { EvaluatorCache } from '@writ/policy'

export interface PolicyLoader extends AsyncDisposable {
  /** Why the active policy cannot be used; undefined: it can, or none is active yet. */
  readonly problem: string | undefined
}

const LOOK_EVERY_MS = 1000

/** Loads the bundle of a new `policy/active` before the first decision needs it, and says when it cannot. */
export function keepPolicyLoaded(
  { trust }: Authority,
  evaluators: EvaluatorCache,
  report: (problem: string, error?: unknown) => void,
): PolicyLoader {
  let loaded: string | undefined
  let problem: string | undefined
  const look = async (): Promise<void> => {
    const policy = trust.record('policy', 'active')
    if (policy === undefined || policy.record.bundle_sha256 === loaded) return
    try {
      await evaluators.get(policy.record.bundle_sha256)
      loaded = policy.record.bundle_sha256
      problem = undefined
    } catch (error) {
      if (problem === undefined) report('the active policy cannot be used', error)
      problem = error instanceof Error ? error.message : 'The active policy cannot be used.'
    }
  }
  void look()
  const timer = setInterval(() => void look(), LOOK_EVERY_MS)
  return {
    get problem() {
      return problem
    },
    [Symbol.asyncDispose]: async () => clearInterval(timer),
  }
}
