/** What an entry says of itself, for finding it. Nothing is verified: only the types of what is here were looked at. */
export interface Glimpse {
  readonly source: string
  readonly events: readonly GlimpsedEvent[]
}

export interface GlimpsedEvent {
  readonly type?: string
  readonly timestamp?: string
  readonly agent_id?: string
  readonly device_id?: string
  readonly gateway_id?: string
  readonly token_id?: string
  readonly intent_id?: string
  readonly intent_digest?: string
  readonly detail: Readonly<Record<string, unknown>>
  readonly documents: readonly {
    readonly typ?: string
    readonly digest?: string
    readonly jws?: string
    readonly jwe?: string
  }[]
}

const REFERENCES = ['token_id', 'intent_id', 'intent_digest'] as const

type Loose = Readonly<Record<string, unknown>>

/** Undefined where it is no JWS with events. */
export function glance(entry: Uint8Array): Glimpse | undefined {
  try {
    const compact = Buffer.from(entry.buffer, entry.byteOffset, entry.byteLength).toString('latin1')
    const payload = Buffer.from(compact.split('.', 2)[1] ?? '', 'base64url').toString()
    const { source, events } = looseOf(JSON.parse(payload))
    if (typeof source !== 'string' || !Array.isArray(events)) return undefined
    return { source, events: events.map(looseOf).map(eventOf) }
  } catch {
    return undefined
  }
}

function eventOf(event: Loose): GlimpsedEvent {
  const documents = Array.isArray(event['documents']) ? event['documents'].map(looseOf) : []
  return {
    ...texts(event, ['type', 'timestamp', 'agent_id', 'device_id', 'gateway_id', ...REFERENCES]),
    detail: looseOf(event['detail']),
    documents: documents.map((document) => texts(document, ['typ', 'digest', 'jws', 'jwe'])),
  }
}

/** The members that are strings. */
function texts<N extends string>(from: Loose, names: readonly N[]): { [M in N]?: string } {
  const found: { [M in N]?: string } = {}
  for (const name of names) {
    const value = from[name]
    if (typeof value === 'string') found[name] = value
  }
  return found
}

const looseOf = (value: unknown): Loose => (typeof value === 'object' && value !== null ? (value as Loose) : {})
