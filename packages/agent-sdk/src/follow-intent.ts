import { Fault, type Outcome, type Status } from '@writ/contracts'
import type { StatusFeed } from './status-feed.ts'

/** How an intent ended. */
export interface FinishedIntent {
  /** The final one; `state` says how the intent ended, `reasons` why, `steps` what became of each device. */
  readonly status: Status
  /** One for each step that a gateway spoke of, each signed by that gateway and verified. */
  readonly outcomes: readonly Outcome[]
}

export interface FollowedIntent {
  readonly statuses: AsyncIterable<Status>
  done(): Promise<FinishedIntent>
}

export interface IntentName {
  readonly id: string
  readonly digest: string
  /** Unix seconds. */
  readonly expires: number
  /**
   * Publishes the same bytes again. Their id is remembered, so nothing happens twice: the broker says the current status anew.
   * That is how what a broken-down server forgot (INTENTS and STATUS are not flushed) comes back.
   */
  readonly sendAgain: () => Promise<void>
}

const FINAL = new Set<Status['state']>([
  'succeeded',
  'failed',
  'partial',
  'denied',
  'expired',
  'cancelled',
  'revoked',
  'unknown',
])

/** Whether nothing more is to come: the last eight of `INTENT_STATES`. `unknown` alone may still change. */
export function isFinal(status: Status): boolean {
  return FINAL.has(status.state)
}

/** Without news the intent is sent again after this time, then at doubled intervals. */
const SEND_AGAIN_MS = 5000
const SEND_AGAIN_MS_MAX = 60_000

/** How long after an intent's `exp` a first status is still waited for, seconds. */
const GRACE_SECONDS = 10

export function followIntent(feed: StatusFeed, intent: IntentName, signal?: AbortSignal): FollowedIntent {
  const statuses = statusesOf(feed, intent, signal ?? new AbortController().signal)
  return {
    statuses,
    async done() {
      let last: Status | undefined
      for await (const status of statuses) last = status
      if (last === undefined) throw new Fault('unavailable', { message: 'No status of the intent came.' })
      return { status: last, outcomes: await outcomesOf(feed, intent, last, signal ?? new AbortController().signal) }
    },
  }
}

/** Under which ids the broker may speak of it: its own, or the one for what is refused before it owns its id. */
export function statusIdsOf({ id, digest }: Pick<IntentName, 'id' | 'digest'>): readonly [string, string] {
  return [id, `rejected-${digest.slice(0, 16)}`]
}

async function* statusesOf(feed: StatusFeed, intent: IntentName, signal: AbortSignal): AsyncGenerator<Status, void> {
  const ids = statusIdsOf(intent)
  const watch = feed.watch(ids)
  let silentMs = SEND_AGAIN_MS
  let sendAt = performance.now() + silentMs
  try {
    for (let n = 0; ; await watch.changed(signal)) {
      const status = await latestOf(feed, intent.digest, ids)
      if (status !== undefined && status.n > n) {
        n = status.n
        silentMs = SEND_AGAIN_MS
        sendAt = performance.now() + silentMs
        yield status
        if (isFinal(status)) return
      } else if (n === 0 && Date.now() / 1000 > intent.expires + GRACE_SECONDS) {
        throw new Fault('unavailable', {
          message: 'The intent expired and no status of it came: the broker did not take it.',
        })
      } else if (performance.now() > sendAt) {
        silentMs = Math.min(2 * silentMs, SEND_AGAIN_MS_MAX)
        sendAt = performance.now() + silentMs
        await intent.sendAgain().catch(ignoreUnavailable)
      }
    }
  } finally {
    watch.close()
  }
}

/** The next turn tries again. */
function ignoreUnavailable(error: unknown): void {
  if (!(error instanceof Fault) || error.code !== 'unavailable') throw error
}

/** A status under our id that is about another message is the status of the intent that owns the id. */
async function latestOf(feed: StatusFeed, digest: string, ids: readonly string[]): Promise<Status | undefined> {
  for (const id of ids) {
    const status = await feed.status(id).catch((error: unknown) => {
      if (error instanceof Fault && error.code === 'unavailable') return undefined
      throw error
    })
    if (status?.intent_digest === digest) return status
  }
  return undefined
}

/** How long outcomes that a final status names are waited for, when the server has lost them. */
const OUTCOMES_WITHIN_MS = 30_000
/** States of a step that an outcome of its gateway ends. */
const ENDED: readonly Status['steps'][number]['state'][] = ['succeeded', 'failed', 'refused', 'aborted']

/** Those that the status names, by their digests: they have the broker's word and the gateway's. */
async function outcomesOf(
  feed: StatusFeed,
  intent: IntentName,
  status: Status,
  signal: AbortSignal,
): Promise<readonly Outcome[]> {
  const watch = feed.watch([status.intent_id])
  const until = performance.now() + OUTCOMES_WITHIN_MS
  try {
    for (let looked = 0; ; looked++) {
      const found = await Promise.all(status.steps.map((step) => stepOutcome(feed, status, step)))
      if (!found.includes('missing')) return found.flatMap((each) => (typeof each === 'object' ? [each] : []))
      if (performance.now() > until)
        throw new Fault('unavailable', { message: 'An outcome that the status names is not to be had.' })
      if (looked > 0) await intent.sendAgain().catch(ignoreUnavailable)
      await watch.changed(signal)
    }
  } finally {
    watch.close()
  }
}

async function stepOutcome(
  feed: StatusFeed,
  status: Status,
  { step_id, state, outcome_digest }: Status['steps'][number],
): Promise<Outcome | 'missing' | undefined> {
  const awaited = outcome_digest !== undefined && ENDED.includes(state)
  const found = await feed.outcome(status, step_id).catch((error: unknown) => {
    if (!awaited) throw error
    ignoreUnavailable(error)
    return undefined
  })
  return awaited && found?.digest !== outcome_digest ? 'missing' : found?.outcome
}
