import { Fault, type ReasonCode, type StreamName } from '@writ/contracts'
import { unavailable } from './link.ts'
import type { Requests } from './requests.ts'
import type { Trace } from './trace.ts'

export interface StoreOptions {
  /** The stream whose acknowledgement counts; another's is `unavailable`. */
  readonly stream: StreamName
  readonly trace?: Trace | undefined
  /** Only if the last message of the subject, or of those that match `subject`, has this sequence; 0: there is none. */
  readonly expectLast?: { readonly seq: number; readonly subject?: string }
  /** The stream removes it after this time. */
  readonly ttlSeconds?: number
  readonly timeoutMs?: number
  readonly headers?: Readonly<Record<string, string>>
}

/**
 * Why a stream did not take a message: `wrong-last-sequence`: the expectation does not hold (code `unavailable`);
 * `full`: a bound of the stream or subject is reached, try later (`unavailable`); `too-large` (`too_large`).
 */
export type Refusal = 'wrong-last-sequence' | 'full' | 'too-large'

/** A decided no of the stream: nothing was stored. */
export class StoreRefused extends Fault {
  readonly refusal: Refusal

  constructor(refusal: Refusal, cause: unknown) {
    super(CODES[refusal], { message: MESSAGES[refusal], cause })
    this.refusal = refusal
  }
}

export function isRefusal(error: unknown, refusal: Refusal): error is StoreRefused {
  return error instanceof StoreRefused && error.refusal === refusal
}

const CODES: Readonly<Record<Refusal, ReasonCode>> = {
  'wrong-last-sequence': 'unavailable',
  full: 'unavailable',
  'too-large': 'too_large',
}
const MESSAGES: Readonly<Record<Refusal, string>> = {
  'wrong-last-sequence': 'Something else was stored there in the meantime.',
  full: 'The stream takes no more of this subject now.',
  'too-large': 'The message is larger than the stream takes.',
}

/**
 * Stores one message and returns its sequence once the stream has acknowledged it, as durably as the stream is set.
 * @throws StoreRefused: it is not stored. Any other Fault `unavailable`: it may be stored or not; only reading tells.
 */
export async function store(
  requests: Requests,
  subject: string,
  body: Uint8Array | string,
  options: StoreOptions,
): Promise<{ readonly seq: number }> {
  const { stream, trace, timeoutMs } = options
  const { message } = await requests
    .one(subject, body, { trace, headers: fieldsOf(options), ...(timeoutMs !== undefined && { timeoutMs }) })
    .catch((error: unknown) => {
      throw error instanceof Fault && error.code === 'too_large' ? new StoreRefused('too-large', error) : error
    })
  const ack = parseJson(message.data)
  if (ack.error !== undefined) throw refusalOf(stream, Object(ack.error) as ApiError)
  if (ack.stream !== stream || !Number.isSafeInteger(ack.seq) || Number(ack.seq) < 1) {
    throw unavailable('Another stream acknowledged the message.', new Error(`${stream}: ${String(ack.stream)}`))
  }
  return { seq: Number(ack.seq) }
}

function fieldsOf({ expectLast, ttlSeconds, headers }: StoreOptions): Record<string, string> {
  return {
    ...headers,
    ...(expectLast !== undefined && { 'Nats-Expected-Last-Subject-Sequence': `${expectLast.seq}` }),
    ...(expectLast?.subject !== undefined && { 'Nats-Expected-Last-Subject-Sequence-Subject': expectLast.subject }),
    ...(ttlSeconds !== undefined && { 'Nats-TTL': `${ttlSeconds}s` }),
  }
}

interface ApiError {
  readonly err_code?: number
  readonly description?: unknown
}

/** JetStream's numbers: https://github.com/nats-io/nats-server/blob/main/server/errors.json */
function refusalOf(stream: string, { err_code, description: said }: ApiError): Fault {
  const description = typeof said === 'string' ? said : ''
  const cause = new Error(`${stream}: ${err_code ?? 'no code'}: ${description}`)
  if (err_code === 10071 || err_code === 10164) return new StoreRefused('wrong-last-sequence', cause)
  // 10077 is also a failure of the disk, after which nobody knows.
  if (err_code === 10077 && description.startsWith('maximum ')) return new StoreRefused('full', cause)
  if (err_code === 10054) return new StoreRefused('too-large', cause)
  return unavailable('The stream did not take the message.', cause)
}

interface ApiAnswer {
  readonly error?: ApiError
  readonly stream?: unknown
  readonly seq?: unknown
}

/** @throws Fault `unavailable` on anything but a JSON object. */
export function parseJson(data: Uint8Array): ApiAnswer & Readonly<Record<string, unknown>> {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder().decode(data))
  } catch (cause) {
    throw unavailable('The answer of the bus cannot be read.', cause)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw unavailable('The answer of the bus cannot be read.')
  return value as ApiAnswer & Readonly<Record<string, unknown>>
}
