import { covers, type StreamName } from '@writ/contracts'
import { coalesce } from './coalesce.ts'
import type { Link, LinkSubscription } from './link.ts'
import { read } from './read.ts'
import type { Heard } from './received.ts'
import type { Requests } from './requests.ts'
import { guarded } from './status.ts'
import type { Stored } from './stored.ts'
import { subscribed } from './subscribe.ts'

export interface TailOptions {
  readonly stream: StreamName
  readonly filters: readonly string[]
  /** Where the stream announces what it has stored. Only a reason to read: what is announced there is not believed. */
  readonly wakeSubject?: string
  /** Whether something new is announced there, asked a moment later, when this process knows what it wrote itself. Absent: always. */
  readonly wakes?: (heard: Heard) => boolean
  /** The first sequence wanted, from 1. */
  readonly fromSeq: number
  /** Each message once, in order, one after the other. If it fails the message is not applied, and offered again. */
  readonly apply: (stored: Stored) => Promise<void> | void
  /** How often it reads without having been woken. */
  readonly pollMs?: number
}

/** Follows a stream by reading it, so that it misses nothing that a live subscription can. */
export interface StreamTail {
  /** Of the message applied last; `fromSeq` − 1 before the first. */
  readonly lastSeq: number
  /**
   * Returns `lastSeq` when everything has been applied that was stored before this call.
   * @throws Fault `unavailable`: the stream cannot be read to its end now. What `apply` throws.
   */
  catchUp(): Promise<number>
  /** No reading begins after this; returns when the one under way has ended. */
  stop(): Promise<void>
}

const POLL_MS = 5000
/** Of what this process stores itself the announcement comes before the acknowledgement. */
const WAKE_AFTER_MS = 20

/** Returns when it is woken by what is stored from now on. It has not read yet: `catchUp` does. */
export async function tail(link: Link, requests: Requests, options: TailOptions): Promise<StreamTail> {
  const { stream, fromSeq, wakeSubject, pollMs = POLL_MS } = options
  const position = { next: fromSeq, lastSeq: fromSeq - 1, stopped: false }
  const catchUp = coalesce(() => readOn(requests, options, position))
  const inBackground = (): void => {
    if (!link.connected || position.stopped) return
    catchUp().catch((error: unknown) => link.report({ type: 'error', error, subject: wakeSubject ?? stream }))
  }
  const wake: LinkSubscription | undefined =
    wakeSubject === undefined
      ? undefined
      : await subscribed(link, wakeSubject, undefined, waking(options, link, inBackground))
  const poll = setInterval(inBackground, pollMs)
  const stopListening = link.listen({ reconnected: inBackground })
  return {
    get lastSeq() {
      return position.lastSeq
    },
    catchUp,
    stop: async () => {
      position.stopped = true
      clearInterval(poll)
      stopListening()
      wake?.unsubscribe()
      await catchUp().catch(() => undefined)
    },
  }
}

/** What is announced while one look is due is looked at together. */
function waking({ wakes, wakeSubject }: TailOptions, link: Link, read: () => void): (heard: Heard) => void {
  if (wakes === undefined) return read
  let announced: Heard[] = []
  const look = guarded(
    () => {
      const heard = announced
      announced = []
      if (heard.some(wakes)) read()
    },
    (error) => link.report({ type: 'error', error, ...(wakeSubject !== undefined && { subject: wakeSubject }) }),
  )
  return (heard) => {
    if (announced.push(heard) === 1) setTimeout(() => look(undefined), WAKE_AFTER_MS)
  }
}

interface Position {
  next: number
  lastSeq: number
  stopped: boolean
}

async function readOn(requests: Requests, options: TailOptions, position: Position): Promise<number> {
  const { stream, filters, apply } = options
  const [only, ...others] = filters
  const filter = only !== undefined && others.length === 0 ? only : '>'
  if (position.stopped) return position.lastSeq
  for await (const stored of read(requests, stream, { fromSeq: position.next, filter })) {
    if (filters.some((wanted) => covers(wanted, stored.subject))) {
      await apply(stored)
      position.lastSeq = stored.seq
    }
    position.next = stored.seq + 1
    if (position.stopped) break
  }
  return position.lastSeq
}
