import type { Delivery } from '@writ/bus'
import { isFault, subjects } from '@writ/contracts'
import { sha256 } from '@writ/keys'
import { traced } from '@writ/service-kit'
import type { Log, Refusals } from '../ports.ts'

export interface DeliverDeps {
  readonly region: string
  readonly refusals: Refusals
  readonly log: Log
  /** Keeps a message that cannot be handled, for people to look at. */
  readonly keep: (digest: string, body: Uint8Array) => Promise<void>
}

const FAILURES_MAX = 5
const WAIT_MS = [250, 500, 1000, 2000, 5000, 10_000] as const

/**
 * One message of a work queue: acknowledged when the handler has done all of it. What could not be decided comes again, however
 * often; one that the handler fails on comes again a few times, and is then taken off the queue, counted in the log and kept.
 */
export function deliver(
  deps: DeliverDeps,
  form: 'intent' | 'outcome',
  handle: (id: string, body: Uint8Array) => Promise<void>,
): (delivery: Delivery) => Promise<void> {
  const at = subjects(deps.region)
  return async (delivery) => {
    const [id = ''] = at.idsOf(form, delivery.subject) ?? []
    try {
      await traced(form, { parent: delivery.trace, kind: 'consumer' }, () => handle(id, delivery.data))
    } catch (error) {
      await failed(deps, id, delivery, error)
      return
    }
    await delivery.ack()
  }
}

async function failed(deps: DeliverDeps, id: string, delivery: Delivery, error: unknown): Promise<void> {
  const { deliveryCount, subject, data } = delivery
  const undecided = isFault(error) && error.code === 'unavailable'
  if (undecided || deliveryCount < FAILURES_MAX) {
    if (undecided) deps.log.warn({ err: error, subject, deliveryCount }, 'a message has to wait')
    else deps.log.error({ err: error, subject, deliveryCount }, 'a message could not be handled')
    delivery.nak(WAIT_MS[Math.min(deliveryCount, WAIT_MS.length) - 1] ?? 0)
    return
  }
  const digest = sha256(data)
  deps.log.error({ err: error, subject, digest }, 'a message that cannot be handled is taken off its queue and kept')
  await deps.keep(digest, data)
  deps.refusals.count(id, 'internal')
  delivery.term('cannot be handled')
}
