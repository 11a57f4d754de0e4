import { LogStopped, type NoteSigner, Sealer, type SealOutcome, writeVerifierFiles } from '@writ/audit'
import { sha256 } from '@writ/keys'
import { bootService, noteSpan, type ServiceContext, Teardown, traced } from '@writ/service-kit'
import { openStore, type WormStore } from '@writ/worm-store'
import { announceSeal } from './adapters/announce-seal.ts'
import { AUDIT_STREAMS, type AuditStreamName, busStream } from './adapters/bus-stream.ts'
import { recordOpening } from './adapters/record-opening.ts'
import type { Config } from './config.ts'
import { checkRetentionCap } from './core/retention.ts'
import { SealLoop } from './core/seal-loop.ts'
import { createSinkMetrics, type Metrics } from './metrics.ts'
import { openLogKeys } from './open-log-keys.ts'
import { proveStore } from './prove-store.ts'
import { openWitnesses } from './witnesses/open-witnesses.ts'

export interface Overrides {
  /** Stops the start while it waits for what is not there yet. */
  readonly signal?: AbortSignal
  readonly store?: WormStore
  /** Signs in the place of `WRIT_LOG_KEY`. */
  readonly signer?: NoteSigner
  readonly now?: () => Date
}

export interface RunningSink extends AsyncDisposable {
  readonly healthUrl: string
}

const DAY_MS = 86_400_000
/** Partial tiles and staged batches. */
const SHORT_DAYS = 30
/** Deliveries in hand of each stream: as many as its consumer hands out unacknowledged. They are headers alone. */
const IN_FLIGHT_MAX = 4096
const PULL_BATCH = 64
/** A replica that is paused is noticed by the others after this time at the latest. */
const IDLE_MS = 3000

/** Composition root: the one place that knows every concrete adapter. */
export async function startAuditSink(config: Config, overrides: Overrides = {}): Promise<RunningSink> {
  await using teardown = new Teardown()
  const signal = overrides.signal ?? new AbortController().signal
  const context = await bootService('audit-sink', config, teardown, signal, {
    before: async (early) => {
      checkRetentionCap(config.retentionRegime, config.retentionDays, early.region)
      return await proveStore(config, early)
    },
    beginsUnrecorded: true,
  })
  const store = overrides.store ?? (await openStore(config.store))
  const own = overrides.signer ?? (await openLogKeys(context, config))
  const { signer, policy } = await openWitnesses(context, config, own, store)
  const loop = startLoop(context, config, { signer, policy, store, now: overrides.now ?? (() => new Date()) })
  teardown.use(loop)
  teardown.use(context.health.open())
  const running = teardown.release()
  return { healthUrl: context.healthUrl, [Symbol.asyncDispose]: () => running[Symbol.asyncDispose]() }
}

interface Parts {
  readonly signer: NoteSigner
  /** The witness policy that lies beside the log. */
  readonly policy: string | undefined
  readonly store: WormStore
  readonly now: () => Date
}

function startLoop(context: ServiceContext, config: Config, parts: Parts): AsyncDisposable {
  const { bus, audit, health, log } = context
  const metrics = createSinkMetrics(context.metrics, () => loop.waiting)
  const seal = sealer(context, config, parts)
  const report = afterSeal(context, filesBeside(config, parts))
  const loop = new SealLoop({
    seal: metrics.timed(() => traced('seal', {}, seal)),
    sealed: async (outcome) => {
      metrics.sealed(outcome)
      await report(outcome)
    },
    failed: (err) => {
      metrics.failed()
      log.error({ err }, err instanceof LogStopped ? 'the log is stopped: a person must look' : 'sealing failed')
    },
    after: (ms, callback) => {
      const timer = setTimeout(callback, ms)
      return () => clearTimeout(timer)
    },
    sealMs: config.sealMs,
    idleMs: IDLE_MS,
  })
  health.check('log', () => loop.problem)
  loop.start()
  const consuming = AUDIT_STREAMS.map((stream) => hold(bus, stream, loop, metrics))
  return {
    // The sink's own `source.stopped` goes into the last seal.
    [Symbol.asyncDispose]: async () => {
      await loop.stop(() => audit.stop())
      await Promise.all(consuming.map((each) => each.stop()))
    },
  }
}

/** The consumer is there to acknowledge, and its deliveries are what wakes the loop; what is sealed is read by direct get. */
function hold(
  bus: ServiceContext['bus'],
  stream: AuditStreamName,
  loop: SealLoop,
  metrics: Metrics,
): { stop(): Promise<void> } {
  return bus.consume(
    { stream, consumer: 'audit-sink', inFlightMax: IN_FLIGHT_MAX, batch: PULL_BATCH },
    ({ seq, settle: acknowledged, nak }) =>
      new Promise<void>((settle) => {
        const done = metrics.held()
        const resolve = (): void => {
          done()
          settle()
        }
        loop.hold({
          stream,
          seq,
          acknowledge: () => {
            acknowledged()
            resolve()
          },
          replaced: resolve,
          release: () => {
            nak(0)
            resolve()
          },
        })
      }),
  )
}

/** Opens the log at the first call, so that a store that does not answer yet is waited for like every other time. */
function sealer(
  { bus, region, audit }: ServiceContext,
  config: Config,
  { signer, store, now }: Parts,
): () => Promise<SealOutcome> {
  let opened: Sealer | undefined
  const fullMs = config.retentionDays * DAY_MS
  return async () => {
    opened ??= await Sealer.open({
      store,
      name: { domain: config.logDomain, region },
      signer,
      streams: AUDIT_STREAMS.map((stream) => busStream(bus, region, stream)),
      retention: { fullMs, shortMs: Math.min(fullMs, SHORT_DAYS * DAY_MS) },
      now,
      opening: recordOpening(bus, region, audit),
    })
    const outcome = await opened.seal()
    noteSpan({ 'writ.entries': outcome.entries })
    return outcome
  }
}

/** What lies beside each epoch's log for whoever verifies it, once a start; nothing waits for it. */
function filesBeside(config: Config, { signer, policy, store, now }: Parts): (origin: string) => Promise<void> {
  let done: string | undefined
  return async (origin) => {
    if (origin === done) return
    const retainUntil = new Date(now().getTime() + config.retentionDays * DAY_MS)
    await writeVerifierFiles({ store, verifier: signer.verifier(origin), policy, retainUntil })
    done = origin
  }
}

function afterSeal(
  { bus, region, signer, log, refused, refusedFiles }: ServiceContext,
  writeFiles: (origin: string) => Promise<void>,
): (outcome: SealOutcome) => Promise<void> {
  const announce = announceSeal(bus, region, signer)
  return async (outcome) => {
    for (const { message, code } of outcome.refused) {
      refused.count(message.source.split('/')[1] ?? '', code)
      await refusedFiles.keep(sha256(message.body), message.body)
    }
    const { origin, tree, entries, heads } = outcome
    if (entries > 0) log.debug({ origin, size: tree.size, entries }, 'sealed')
    await writeFiles(origin).catch((err: unknown) =>
      log.warn({ err }, 'the files for verifiers are not beside the log yet'),
    )
    if (entries === 0 && heads.size === 0) return
    await announce(outcome).catch((err: unknown) => log.warn({ err }, 'a seal could not be announced'))
  }
}
