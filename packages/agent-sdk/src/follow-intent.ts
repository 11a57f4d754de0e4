import { Fault, type Outcome, type Status } from '@writ/contracts'
import type { StatusFeed } from './status-feed.ts'

/** How an intent ended. */
export interface FinishedIntent {
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

/** Whether nothing more is to come; `unknown` alone may still change. */
export function isFinal(status: Status): boolean {
  return FINAL.has(status.state)
}

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
      return { status: last, outcomes: await outcomesOf(feed, last) }
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
  try {
    for (let n = 0; ; await watch.changed(signal)) {
      const status = await latestOf(feed, intent.digest, ids)
      if (status !== undefined && status.n > n) {
        n = status.n
        yield status
        if (isFinal(status)) return
      } else if (n === 0 && Date.now() / 1000 > intent.expires + GRACE_SECONDS) {
        throw new Fault('unavailable', {
          message: 'The intent expired and no status of it came: the broker did not take it.',
        })
      }
    }
  } finally {
    watch.close()
  }
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

async function outcomesOf(feed: StatusFeed, status: Status): Promise<readonly Outcome[]> {
  const found = await Promise.all(status.steps.map(({ step_id }) => feed.outcome(status, step_id)))
  return found.flatMap((each) => (each === undefined ? [] : [each.outcome]))
}
