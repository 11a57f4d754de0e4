import { AUDIT_BYTES_MAX, auditMessage, Fault, SourceName } from '@writ/contracts'
import { parseJws } from '@writ/keys'

/** An audit message as the log takes it in: form and source are checked; keys, signatures and chains are the verifier's to judge. */
export interface AuditEntry {
  readonly compact: string
  /** The same as bytes: the leaf. */
  readonly bytes: Uint8Array
  /** `<role>/<instance>/<boot>`. */
  readonly source: string
  readonly seq: number
  /** `digest(m)`. */
  readonly digest: string
}

/**
 * Whether a stored message enters the log at all: a compact JWS of the right `typ` whose source is its subject's. Nothing is verified.
 * Throws Fault `too_large`, `malformed`, `unsupported_type` or `wrong_subject`.
 * @param source the source of the subject that the message was stored under
 */
export function auditEntry(body: Uint8Array, source: string): AuditEntry {
  const { compact, typ, payload, digest } = parseJws(body, AUDIT_BYTES_MAX)
  if (typ !== auditMessage.typ) throw new Fault('unsupported_type', { message: 'Not an audit message.' })
  const { source: claimed, seq } = payload
  if (typeof seq !== 'number' || !Number.isSafeInteger(seq) || seq < 0) {
    throw new Fault('malformed', { message: 'An audit message without its number.' })
  }
  if (!isSourceName(source)) throw new Fault('malformed', { message: 'Not the name of a source.' })
  if (claimed !== source)
    throw new Fault('wrong_subject', { message: 'An audit message of another source than its subject.' })
  return { compact, bytes: body, source, seq, digest }
}

const NAMES_MAX = 10_000
/** Names that were looked at before: a source says many things. */
const names = new Set<string>()

function isSourceName(source: string): boolean {
  if (names.has(source)) return true
  if (!SourceName.safeParse(source).success) return false
  if (names.size >= NAMES_MAX) names.clear()
  names.add(source)
  return true
}
