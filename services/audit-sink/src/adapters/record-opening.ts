import { type AuditSource, auditEvent, type Opening } from '@writ/audit'
import type { Bus } from '@writ/bus'
import { ANY, AUDIT_BYTES_MAX, Fault, subjects } from '@writ/contracts'
import { parseJws } from '@writ/keys'

/**
 * Records `log.opened` as an event of the sink's own chain, and returns the message that holds it, which becomes the epoch's first entry. It is taken from
 * the sink's outbox, which a stream that is full does not close: sealing is what makes room there. One that an earlier boot recorded and did not get
 * sealed is used again.
 */
export function recordOpening(
  bus: Pick<Bus, 'read'>,
  region: string,
  audit: Pick<AuditSource, 'keep' | 'kept'>,
): (opening: Opening) => Promise<string> {
  const filter = subjects(region).audit('audit-sink', ANY, ANY)
  const own = (origin: string): string | undefined => textOf(audit.kept.find((message) => opens(message, origin)))
  const find = async (origin: string): Promise<string | undefined> => {
    for await (const { data } of bus.read('AUDIT', { fromSeq: 1, filter })) if (opens(data, origin)) return textOf(data)
    return undefined
  }
  return async ({ ...opening }) => {
    const { origin } = opening
    const before = own(origin) ?? (await find(origin))
    if (before !== undefined) return before
    await audit.keep([auditEvent('log.opened', { detail: opening })])
    const kept = own(origin)
    if (kept === undefined) throw new Fault('unavailable', { message: 'The record that opens the log was not kept.' })
    return kept
  }
}

const textOf = (message: Uint8Array | undefined): string | undefined =>
  message && Buffer.from(message).toString('latin1')

/** Whether a stored message opens the log of this origin. Only an audit-sink may publish there; the verifier checks its signature. */
function opens(body: Uint8Array, origin: string): boolean {
  try {
    const { events } = parseJws(body, AUDIT_BYTES_MAX).payload
    return Array.isArray(events) && events.some((event) => isOpening(event, origin))
  } catch {
    return false
  }
}

function isOpening(event: unknown, origin: string): boolean {
  const { type, detail } = Object(event) as { readonly type?: unknown; readonly detail?: unknown }
  return type === 'log.opened' && (Object(detail) as { readonly origin?: unknown }).origin === origin
}
