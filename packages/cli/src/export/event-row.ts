import type { ReadEntry, ReadEvent } from '@writ/audit'
import type { JsonValue } from '@writ/contracts'

/**
 * What an export has of each event, in this order. A row without `event_id` stands for an entry that cannot be read or is no audit message. Nothing
 * of a row is to be believed where `verified` is false; `doubts` says why. Beside each its type in Parquet: `JSON` is text that readers parse.
 */
export const COLUMNS = [
  // Where it lies in the log.
  ['origin', 'STRING'],
  ['leaf', 'INT64'],
  ['verified', 'BOOLEAN'],
  ['doubts', 'JSON'],
  // Who said it.
  ['source', 'STRING'],
  ['seq', 'INT64'],
  ['message_digest', 'STRING'],
  // What.
  ['event_id', 'STRING'],
  ['timestamp', 'TIMESTAMP'],
  ['type', 'STRING'],
  ['status', 'STRING'],
  ['agent_id', 'STRING'],
  ['user_id', 'STRING'],
  ['intent', 'STRING'],
  ['intent_id', 'STRING'],
  ['intent_digest', 'STRING'],
  ['device_id', 'STRING'],
  ['gateway_id', 'STRING'],
  ['approved_by', 'JSON'],
  ['token_id', 'STRING'],
  ['plan_id', 'STRING'],
  ['attestation', 'JSON'],
  ['policy', 'JSON'],
  ['reasons', 'JSON'],
  ['detail', 'JSON'],
  ['documents', 'JSON'],
] as const

export type ColumnName = (typeof COLUMNS)[number][0]
/** Every column is there; null where it does not apply. `timestamp` is RFC 3339 in UTC. */
export type EventRow = Readonly<Record<ColumnName, JsonValue>>

/** Names instead of pseudonyms, as far as they are known. */
export type NameOf = (pseudonym: string) => string

/** The rows of an entry: one for each of its events that fits; one for an entry without events. */
export function rowsOf(entry: ReadEntry, fits: (read: ReadEvent) => boolean, nameOf: NameOf): EventRow[] {
  const about = aboutEntry(entry)
  if (entry.events.length === 0) return [{ ...about, ...NO_EVENT }]
  return entry.events.filter(fits).map((read) => ({ ...about, ...aboutEvent(read, nameOf) }))
}

type EntryColumn = 'origin' | 'leaf' | 'verified' | 'doubts' | 'source' | 'seq' | 'message_digest'
type EventColumn = Exclude<ColumnName, EntryColumn>

function aboutEntry({ origin, index, message, doubts }: ReadEntry): Readonly<Record<EntryColumn, JsonValue>> {
  return {
    origin,
    leaf: index,
    verified: doubts.length === 0,
    doubts: doubts.map(({ verdict, message: why }) => ({ verdict, message: why })),
    source: message?.source ?? null,
    seq: message?.seq ?? null,
    message_digest: message?.digest ?? null,
  }
}

function aboutEvent({ event, documents }: ReadEvent, nameOf: NameOf): Readonly<Record<EventColumn, JsonValue>> {
  return {
    event_id: event.event_id,
    timestamp: event.timestamp,
    type: event.type,
    status: event.status,
    agent_id: event.agent_id ?? null,
    user_id: event.user === undefined ? null : nameOf(event.user),
    intent: event.intent ?? null,
    intent_id: event.intent_id ?? null,
    intent_digest: event.intent_digest ?? null,
    device_id: event.device_id ?? null,
    gateway_id: event.gateway_id ?? null,
    approved_by: event.approved_by?.map(nameOf) ?? null,
    token_id: event.token_id ?? null,
    plan_id: event.plan_id ?? null,
    attestation: event.attestation ?? null,
    policy: event.policy ?? null,
    reasons: event.reasons ?? null,
    detail: event.detail ?? null,
    documents: documents.map(({ typ, digest, state }) => ({ typ, digest, state })),
  }
}

const NO_EVENT = {
  event_id: null,
  timestamp: null,
  type: null,
  status: null,
  agent_id: null,
  user_id: null,
  intent: null,
  intent_id: null,
  intent_digest: null,
  device_id: null,
  gateway_id: null,
  approved_by: null,
  token_id: null,
  plan_id: null,
  attestation: null,
  policy: null,
  reasons: null,
  detail: null,
  documents: null,
} as const satisfies Readonly<Record<EventColumn, null>>
