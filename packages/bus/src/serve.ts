import type { Link } from './link.ts'
import { unavailable } from './link.ts'
import type { Received } from './received.ts'
import { subscribed } from './subscribe.ts'

export type Body = Uint8Array | string
export type Handler = (request: Received) => Promise<Body>

export interface ServeOptions {
  /** Servers of the same queue share the requests; each is answered once. */
  readonly queue?: string
  /** How many requests are in hand at a time. One more is answered by `onFault` with `unavailable`. */
  readonly inFlightMax: number
  /** What the asker is told when the handler failed; undefined: nothing. */
  readonly onFault: (request: Received, error: unknown) => Promise<Body | undefined> | Body | undefined
}

export interface Serving {
  /** Takes no more requests and returns when those in hand are answered. */
  stop(): Promise<void>
}

/** Where an answer may go: the reply subject, or undefined: the request is not looked at. */
export type ReplyOf = (request: Received) => string | undefined

/**
 * The server makes the reply subject of what comes from another account. Any other one was chosen by somebody of our own
 * account, who would have us write where only we may.
 */
export const replyToOtherAccount: ReplyOf = ({ reply }) => (reply?.startsWith('_R_.') === true ? reply : undefined)

/** Answers the requests of one subject. A handler that fails is reported, and answered by `onFault`. */
export async function serve(
  link: Link,
  subject: string,
  options: ServeOptions,
  replyOf: ReplyOf,
  handler: Handler,
): Promise<Serving> {
  const { queue, inFlightMax, onFault } = options
  const inHand = new Set<Promise<void>>()
  const report = (error: unknown): void => link.report({ type: 'error', error, subject })
  const answer = async (request: Received, reply: string, work: () => Promise<Body>): Promise<void> => {
    try {
      const body = await work().catch(async (error: unknown) => {
        report(error)
        return await onFault(request, error)
      })
      if (body !== undefined) link.publish(reply, body)
    } catch (error) {
      report(error)
    }
  }
  const overloaded = (): Promise<Body> => Promise.reject(unavailable('Too many requests are in hand.'))
  const subscription = await subscribed(link, subject, queue, (request) => {
    const reply = replyOf(request)
    if (reply === undefined) link.report({ type: 'unanswerable', subject: request.subject })
    // Even the noes are bounded: beyond twice the limit the asker hears nothing and asks again.
    if (reply === undefined || inHand.size >= 2 * inFlightMax) return
    const work = inHand.size < inFlightMax ? async () => handler(request) : overloaded
    const done: Promise<void> = answer(request, reply, work).finally(() => inHand.delete(done))
    inHand.add(done)
  })
  return {
    stop: async () => {
      await subscription.drain()
      await Promise.all(inHand)
    },
  }
}
