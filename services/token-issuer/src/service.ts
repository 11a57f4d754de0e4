import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { closeRpc, endedRpc, issueRpc, listRpc, type ReasonCode, subjects } from '@writ/contracts'
import { EvaluatorCache } from '@writ/policy'
import { answerRpc, bootService, noteSpan, type ServiceContext, Teardown } from '@writ/service-kit'
import { bucketUses, indexEntries } from './adapters/bucket-uses.ts'
import { ControlTick } from './adapters/control-tick.ts'
import { RedisIndex } from './adapters/redis-index.ts'
import { serveRedeems } from './adapters/serve-redeems.ts'
import type { Config } from './config.ts'
import { Freshness } from './core/freshness.ts'
import { RecentRedeems } from './core/recent-redeems.ts'
import { RecentSet } from './core/recent-set.ts'
import { tickLoop } from './core/tick-loop.ts'
import { close } from './handlers/close.ts'
import { ended } from './handlers/ended.ts'
import { issue } from './handlers/issue.ts'
import { list } from './handlers/list.ts'
import { REDEEM_AUDIT_TIMEOUT_MS, redeem } from './handlers/redeem.ts'
import { createIssuerMetrics, type Metrics } from './metrics.ts'
import type { AuditLog, Clock, TokenIndex } from './ports.ts'

export interface Overrides {
  /** Stops the start while it waits for what is not there yet. */
  readonly signal?: AbortSignal
  readonly clock?: Clock
  readonly index?: TokenIndex & { readonly complete: boolean; readonly connected?: boolean }
  /** For tests of what happens between a claim and its record. */
  readonly audit?: (audit: AuditLog) => AuditLog
}

export interface RunningIssuer extends AsyncDisposable {
  readonly healthUrl: string
}

const RECENT_MAX = 20_000
const SYSTEM_CLOCK: Clock = {
  nowSeconds: () => Math.floor(Date.now() / 1000),
  monotonicMs: () => performance.now(),
}

/** Composition root: the one place that knows every concrete adapter. */
export async function startTokenIssuer(config: Config, overrides: Overrides = {}): Promise<RunningIssuer> {
  await using teardown = new Teardown()
  const context = await bootService('token-issuer', config, teardown, overrides.signal ?? new AbortController().signal)
  const clock = overrides.clock ?? SYSTEM_CLOCK
  const freshness = new Freshness(clock.monotonicMs)
  const index = overrides.index ?? teardown.use(startIndex(context, config))
  const metrics = createIssuerMetrics(context.metrics, freshness, index)
  await serve({
    context,
    config,
    clock,
    freshness,
    index,
    metrics,
    audit: overrides.audit?.(context.audit) ?? context.audit,
  })
  teardown.use(startTicking(context, clock, freshness, metrics))
  context.health.check('ticks', () => (freshness.fresh ? undefined : 'No tick was acknowledged within 3 s.'))
  teardown.use(context.health.open())
  const stop = teardown.release()
  return { healthUrl: context.healthUrl, [Symbol.asyncDispose]: () => stop[Symbol.asyncDispose]() }
}

function startIndex({ bus, authority, region, log }: ServiceContext, { redisUrl }: Config): RedisIndex {
  const uses = bus.bucket('uses')
  return RedisIndex.start({
    url: redisUrl,
    region,
    everything: () => indexEntries(uses, authority),
    report: (problem, err) => log.warn({ err }, problem),
  })
}

interface Parts {
  readonly context: ServiceContext
  readonly config: Config
  readonly clock: Clock
  readonly freshness: Freshness
  readonly index: TokenIndex
  readonly metrics: Metrics
  readonly audit: AuditLog
}

async function serve({ context, config, clock, freshness, index, metrics, audit }: Parts): Promise<void> {
  const { authority, bus, follower, log, operations, region, signer } = context
  const at = subjects(region)
  const uses = bucketUses(bus.bucket('uses'))
  const evaluators = new EvaluatorCache({
    fetch: async (digest) => (await bus.last('POLICIES', at.bundle(digest)))?.data,
  })
  const common = { authority, signer, uses, audit, index, freshness, clock, rev: () => follower.rev() }
  const catchUp = async (): Promise<void> => {
    await Promise.all([follower.registry(), follower.control()])
  }
  const rpc = { bus, region, log, queue: 'token-issuer', inFlightMax: config.inFlightMax }
  const answered = (code: string): void => {
    metrics.issued(code)
    noteSpan({ 'writ.code': code })
  }
  await answerRpc(
    rpc,
    issueRpc,
    operations.time(
      'issue',
      issue({
        ...common,
        evaluators,
        catchUp,
        answered,
        recorded: new RecentSet(RECENT_MAX),
        recording: new Map(),
        newId: () => `t${randomUUID()}`,
      }),
    ),
  )
  await answerRpc(rpc, closeRpc, operations.time('close', close({ authority, uses, clock, catchUp })))
  await answerRpc(rpc, endedRpc, operations.time('ended', ended({ authority, uses, catchUp })))
  await answerRpc(rpc, listRpc, operations.time('list', list(index)))
  const answer = redeem({
    ...common,
    readSigners: () => follower.signers(),
    recent: new RecentRedeems(RECENT_MAX),
    auditTimeoutMs: REDEEM_AUDIT_TIMEOUT_MS,
    answered: (code) => {
      metrics.redeemed(code)
      noteSpan({ 'writ.code': code })
    },
    unsigned: (gatewayId: string, code: ReasonCode) => context.refused.count(gatewayId, code),
    failed: (err: unknown) => log.error({ err }, 'a redeem failed'),
  })
  const timed = Object.assign(operations.time('redeem', answer), { refuse: answer.refuse })
  await serveRedeems({ bus, region, inFlightMax: config.inFlightMax }, timed)
}

function startTicking(
  { bus, region, authority, instance, follower, log }: ServiceContext,
  clock: Clock,
  freshness: Freshness,
  metrics: Metrics,
): AsyncDisposable {
  const stop = new AbortController()
  const ticks = new ControlTick(bus, subjects(region), authority.control, instance)
  let failing = false
  const ports = {
    tick: async () => {
      if (follower.problem !== undefined) await follower.control()
      return ticks.tick()
    },
    catchUp: async () => {
      await follower.control()
      await ticks.look()
    },
    monotonicMs: clock.monotonicMs,
    wait: (ms: number) => sleep(ms, undefined, { signal: stop.signal }).catch(() => undefined),
    acknowledged: (tookMs: number) => {
      metrics.ticked(tookMs)
      if (failing) log.info('ticks are acknowledged again')
      failing = false
    },
    failed: (err: unknown) => {
      metrics.tickFailed()
      if (!failing) log.warn({ err }, 'a tick was not acknowledged; trying again')
      failing = true
    },
  }
  const loop = tickLoop(ports, freshness, () => stop.signal.aborted)
  return {
    [Symbol.asyncDispose]: async () => {
      stop.abort()
      await loop
    },
  }
}
