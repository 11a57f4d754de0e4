import { unavailable } from './link.ts'
import type { Reply } from './requests.ts'

/** A message as a stream keeps it. Its body and subject are what somebody sent: nothing is verified here. */
export interface Stored {
  readonly stream: string
  readonly subject: string
  /** The stream sequence; of a bucket's value, its revision. */
  readonly seq: number
  readonly data: Uint8Array
  /** When the server stored it, Unix milliseconds. */
  readonly timeMs: number
  /** It has a `Nats-TTL` header, so it will vanish. */
  readonly ttl: boolean
  /** A bucket's mark that the key has no value. */
  readonly deleted: boolean
}

/** What a direct get answered: a message, the end of a batch, or that there is none. */
export type Got =
  | { readonly kind: 'message'; readonly stored: Stored; readonly previousSeq: number | undefined }
  | { readonly kind: 'end'; readonly headers: Reply['headers'] }
  | { readonly kind: 'none' }
  /** More subjects than the server lists in one answer (1024). */
  | { readonly kind: 'too-many' }

const NO_MESSAGE = 404
const END_OF_BATCH = 204
const TOO_MANY = 413

/** @throws Fault `unavailable`: any other answer, which says nothing about what is stored. */
export function gotOf(stream: string, { message, headers }: Reply): Got {
  switch (headers.status) {
    case undefined:
      return {
        kind: 'message',
        stored: storedOf(stream, { message, headers }),
        previousSeq: numberOf(headers.last('Nats-Last-Sequence')),
      }
    case END_OF_BATCH:
      return { kind: 'end', headers }
    case NO_MESSAGE:
      return { kind: 'none' }
    case TOO_MANY:
      return { kind: 'too-many' }
    default:
      throw unavailable(
        'The stream cannot be read now.',
        new Error(`${stream}: ${headers.status} ${headers.description}`),
      )
  }
}

function storedOf(stream: string, { message, headers }: Reply): Stored {
  const subject = headers.last('Nats-Subject')
  const seq = numberOf(headers.last('Nats-Sequence'))
  if (subject === undefined || seq === undefined) {
    throw unavailable('The stream cannot be read now.', new Error(`${stream}: an answer without subject or sequence`))
  }
  const time = headers.last('Nats-Time-Stamp')
  return {
    stream,
    subject,
    seq,
    data: message.data,
    timeMs: time === undefined ? 0 : Date.parse(time),
    ttl: headers.last('Nats-TTL') !== undefined,
    deleted: message.data.length === 0 && DELETED.has(headers.last('KV-Operation') ?? ''),
  }
}

const DELETED = new Set(['DEL', 'PURGE'])

function numberOf(text: string | undefined): number | undefined {
  const number = text !== undefined && /^\d{1,16}$/.test(text) ? Number(text) : undefined
  return Number.isSafeInteger(number) ? number : undefined
}

/** Of the end of a batch: its last sequence. */
export function lastSeqOf(headers: Reply['headers']): number | undefined {
  return numberOf(headers.last('Nats-Last-Sequence'))
}

/** Of the end of a batch: how many messages that match are left; undefined: it does not say. */
export function pendingOf(headers: Reply['headers']): number | undefined {
  return numberOf(headers.last('Nats-Num-Pending'))
}

/** Of the end of a batch of last values: how many are left, and up to which sequence the whole answer looks. */
export function restOf(headers: Reply['headers']): { readonly pending: number; readonly upToSeq: number | undefined } {
  return {
    pending: pendingOf(headers) ?? 0,
    upToSeq: numberOf(headers.last('Nats-UpTo-Sequence')),
  }
}
