import { STORE_API_PREFIX, type StreamName } from '@writ/contracts'
import { unavailable } from './link.ts'
import type { Requests } from './requests.ts'
import { parseJson } from './store.ts'

/** What a service relies on and asserts when it starts: the settings as the server has them, in its own names. */
export interface StreamInfo {
  readonly config: Readonly<Record<string, unknown>>
  /** When it was created, as the server writes it: another value means another stream, whose sequences mean other messages. */
  readonly created: string
  readonly messages: number
  readonly bytes: number
  readonly firstSeq: number
  readonly lastSeq: number
  /** When the server answered, by its clock, Unix milliseconds; undefined: it did not say. */
  readonly serverTimeMs: number | undefined
}

/** From the stream's leader. @throws Fault `unavailable`, also when there is no such stream. */
export async function streamInfo(requests: Requests, stream: StreamName): Promise<StreamInfo> {
  const { message } = await requests.one(`${STORE_API_PREFIX}.STREAM.INFO.${stream}`, '', {})
  const { error, config, created, state, ts } = parseJson(message.data)
  if (error !== undefined)
    throw unavailable('The stream cannot be asked.', new Error(`${stream}: ${error.description}`))
  if (!isRecord(config) || !isRecord(state) || typeof created !== 'string')
    throw unavailable('The stream cannot be asked.')
  return {
    config,
    created,
    messages: Number(state['messages']),
    bytes: Number(state['bytes']),
    firstSeq: Number(state['first_seq']),
    lastSeq: Number(state['last_seq']),
    serverTimeMs: typeof ts === 'string' && Number.isFinite(Date.parse(ts)) ? Date.parse(ts) : undefined,
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
