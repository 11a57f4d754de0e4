import { type Link, type LinkSubscription, unavailable } from './link.ts'
import { type Heard, heardOf } from './received.ts'

export interface Listening {
  /** Nothing is heard after this. */
  unsubscribe(): void
}

/**
 * Hears what is published from now on: at most once, and nothing that is sent while the connection is lost.
 * What `callback` throws is reported. @throws Fault `unavailable`: the server does not allow the subject.
 */
export function subscribe(link: Link, subject: string, callback: (heard: Heard) => void): Promise<Listening> {
  return subscribed(link, subject, undefined, callback)
}

/** Returns when the server knows of it; without a connection at once, since it is sent with the next one. */
export async function subscribed(
  link: Link,
  subject: string,
  queue: string | undefined,
  callback: (heard: Heard) => void,
): Promise<LinkSubscription> {
  let refusal: Error | undefined
  const refused = (error: Error): void => {
    refusal = error
  }
  const subscription = link.subscribe(subject, (message) => callback(heardOf(message)), { queue, refused })
  await link.flush()
  if (refusal !== undefined) throw unavailable('The bus does not allow this subscription.', refusal)
  return subscription
}
