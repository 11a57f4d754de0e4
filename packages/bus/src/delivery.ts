import type { Link } from './link.ts'
import type { Heard, Received } from './received.ts'
import type { Requests } from './requests.ts'

/** One message of a work queue, held for this consumer until it is acknowledged or `ack_wait` has passed. */
export interface Delivery extends Received {
  /** The stream sequence. */
  readonly seq: number
  /** From 1; more: it was delivered before and not acknowledged. */
  readonly deliveryCount: number
  /** It is done. True: the server confirmed it. False: nobody knows; it may be delivered again. */
  ack(): Promise<boolean>
  /** It is done, said without waiting for the server's word; where that is lost it is delivered again. */
  settle(): void
  /** It is still in work: `ack_wait` begins anew. */
  working(): void
  /** It will never succeed and is not delivered again. */
  term(reason: string): void
  /** Not now: it is delivered again after `delayMs`. */
  nak(delayMs: number): void
}

/** Undefined: it is not a delivery of this consumer. */
export function deliveryOf(
  link: Link,
  requests: Requests,
  { header: _, ...received }: Heard,
  { stream, consumer }: { readonly stream: string; readonly consumer: string },
): Delivery | undefined {
  const { reply } = received
  const position = reply === undefined ? undefined : positionOf(reply, stream, consumer)
  if (reply === undefined || position === undefined) return undefined
  const say = (word: string): void => {
    try {
      link.publish(reply, word)
    } catch (error) {
      // Without a connection the server delivers it again by itself.
      link.report({ type: 'error', error, subject: received.subject })
    }
  }
  return {
    ...received,
    ...position,
    ack: () =>
      requests.one(reply, '+ACK', {}).then(
        () => true,
        () => false,
      ),
    settle: () => say('+ACK'),
    working: () => say('+WPI'),
    term: (reason) => say(`+TERM ${reason}`),
    nak: (delayMs) => say(`-NAK ${JSON.stringify({ delay: Math.round(delayMs * 1e6) })}`),
  }
}

/** `$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>`; newer servers may put domain and account before the stream. */
function positionOf(
  reply: string,
  stream: string,
  consumer: string,
): { seq: number; deliveryCount: number } | undefined {
  const tokens = reply.split('.')
  const [inStream, ofConsumer, delivered, sequence] = tokens.slice(tokens.length >= 11 ? 4 : 2)
  if (!reply.startsWith('$JS.ACK.') || inStream !== stream || ofConsumer !== consumer) return undefined
  const [seq, deliveryCount] = [Number(sequence), Number(delivered)]
  return Number.isSafeInteger(seq) && Number.isSafeInteger(deliveryCount) ? { seq, deliveryCount } : undefined
}
