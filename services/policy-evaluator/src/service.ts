import { decideRpc, subjects } from '@writ/contracts'
import { EvaluatorCache } from '@writ/policy'
import { answerRpc, bootService, noteSpan, Teardown } from '@writ/service-kit'
import { keepPolicyLoaded } from './adapters/policy-loader.ts'
import type { Config } from './config.ts'
import { decide } from './handlers/decide.ts'
import { activePolicyGauge, decisionCounter } from './metrics.ts'
import type { Clock, Evaluators } from './ports.ts'

export interface Overrides {
  /** Stops the start while it waits for what is not there yet. */
  readonly signal?: AbortSignal
  readonly clock?: Clock
  /** For tests of what an evaluator gone bad can and cannot do. */
  readonly evaluators?: Evaluators
}

export interface RunningEvaluator extends AsyncDisposable {
  readonly healthUrl: string
}

/** Composition root: the one place that knows every concrete adapter. */
export async function startPolicyEvaluator(config: Config, overrides: Overrides = {}): Promise<RunningEvaluator> {
  await using teardown = new Teardown()
  const signal = overrides.signal ?? new AbortController().signal
  const context = await bootService('policy-evaluator', config, teardown, signal)
  const { authority, bus, follower, log, region } = context
  const at = subjects(region)
  const published = new EvaluatorCache({
    fetch: async (digest) => (await bus.last('POLICIES', at.bundle(digest)))?.data,
  })
  const count = decisionCounter(context.metrics)
  const handler = context.operations.time(
    'decide',
    decide({
      authority,
      signer: context.signer,
      reports: { latest: async (gateway, device) => (await bus.last('REPORTS', at.report(gateway, device)))?.data },
      evaluators: overrides.evaluators ?? published,
      audit: context.audit,
      clock: overrides.clock ?? { nowSeconds: () => Math.floor(Date.now() / 1000) },
      rev: () => follower.rev(),
      catchUp: async () => {
        await Promise.all([follower.registry(), follower.control()])
      },
      decided: (decision) => {
        count(decision)
        noteSpan({ 'writ.intent_digest': decision.intent_digest, 'writ.outcome': decision.outcome })
      },
    }),
  )
  const { inFlightMax } = config
  await answerRpc({ bus, region, log, queue: 'policy-evaluator', inFlightMax }, decideRpc, handler)
  const loader = teardown.use(
    keepPolicyLoaded(authority, {
      evaluators: published,
      active: activePolicyGauge(context.metrics),
      report: (problem, err) => log.error({ err }, problem),
    }),
  )
  context.health.check('policy', () => loader.problem)
  teardown.use(context.health.open())
  const running = teardown.release()
  return { healthUrl: context.healthUrl, [Symbol.asyncDispose]: () => running[Symbol.asyncDispose]() }
}
