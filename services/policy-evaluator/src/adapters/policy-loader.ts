import type { Authority, FiledRecord } from '@writ/authority'
import type { EvaluatorCache } from '@writ/policy'

export interface PolicyLoader extends AsyncDisposable {
  /** Why the active policy cannot be used; undefined: it can, or none is active yet. */
  readonly problem: string | undefined
}

const LOOK_EVERY_MS = 1000

export interface PolicyLoaderOptions {
  readonly evaluators: EvaluatorCache
  /** Told of each version once its bundle is loaded: every decision from then on is under it, or a later one. */
  readonly active: (policy: FiledRecord<'policy'>) => void
  readonly report: (problem: string, error?: unknown) => void
}

/** Loads the bundle of a new `policy/active` before the first decision needs it, and says when it cannot. */
export function keepPolicyLoaded({ trust }: Authority, options: PolicyLoaderOptions): PolicyLoader {
  const { evaluators, active, report } = options
  let loaded: number | undefined
  let problem: string | undefined
  const look = async (): Promise<void> => {
    const policy = trust.record('policy', 'active')
    if (policy === undefined || policy.version === loaded) return
    try {
      await evaluators.get(policy.record.bundle_sha256)
      loaded = policy.version
      problem = undefined
      active(policy)
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
