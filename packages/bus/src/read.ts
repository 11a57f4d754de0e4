import { directGet, type StreamName } from '@writ/contracts'
import { unavailable } from './link.ts'
import type { Requests } from './requests.ts'
import { type Got, gotOf, lastSeqOf, pendingOf, restOf, type Stored } from './stored.ts'

export interface ReadOptions {
  /** The first sequence wanted, from 1. */
  readonly fromSeq: number
  /** A subject, perhaps with wildcards. */
  readonly filter: string
  /** Messages in one answer. */
  readonly batch?: number
  readonly timeoutMs?: number
}

/** Bytes in one answer, so that a reader is not flooded. */
const BATCH_BYTES_MAX = 4 * 1024 * 1024
const BATCH = 256

/** The last message of exactly this subject, by the permission to read this subject. */
export async function last(requests: Requests, stream: StreamName, subject: string): Promise<Stored | undefined> {
  const stored = await getOne(requests, directGet(stream, subject), stream, '')
  if (stored !== undefined && stored.subject !== subject) throw unavailable('The stream answered with another subject.')
  return stored
}

/** The last message that matches `filter`, by the permission to read the whole stream. */
export function lastBySubject(requests: Requests, stream: StreamName, filter: string): Promise<Stored | undefined> {
  return getOne(requests, directGet(stream), stream, JSON.stringify({ last_by_subj: filter }))
}

async function getOne(requests: Requests, subject: string, stream: string, body: string): Promise<Stored | undefined> {
  const got = gotOf(stream, await requests.one(subject, body, {}))
  if (got.kind === 'message') return got.stored
  if (got.kind === 'none') return undefined
  throw unavailable('The stream cannot be read now.')
}

/**
 * Every stored message that matches, in order, to the end that the stream has when it is reached: never less than what was
 * stored before the call. Whatever keeps it from the end is Fault `unavailable`. Of a replicated stream a replica that
 * trails may answer: decide on revision-checked writes.
 */
export async function* read(
  requests: Requests,
  stream: StreamName,
  options: ReadOptions,
): AsyncGenerator<Stored, void> {
  const { filter, batch = BATCH, timeoutMs } = options
  for (let seq = options.fromSeq; ; ) {
    const query = { seq, next_by_subj: filter, batch, max_bytes: BATCH_BYTES_MAX }
    const { messages, ended } = await getBatch(requests, stream, query, timeoutMs)
    const end = messages.at(-1)
    if (end === undefined) return
    yield* messages
    // The server counted what was left when it had sent the last one.
    if (ended !== undefined && pendingOf(ended) === 0) return
    seq = end.seq + 1
  }
}

/** The last message of each subject that matches one of `filters`, by sequence. */
export async function lastFor(requests: Requests, stream: StreamName, filters: readonly string[]): Promise<Stored[]> {
  const found: Stored[] = []
  for (let query: Query = { multi_last: filters, batch: BATCH, max_bytes: BATCH_BYTES_MAX }; ; ) {
    const { messages, ended, tooMany } = await getBatch(requests, stream, query)
    if (tooMany) return lastByReading(requests, stream, filters)
    found.push(...messages)
    const end = messages.at(-1)
    if (end === undefined || ended === undefined) return found
    const { pending, upToSeq } = restOf(ended)
    if (pending === 0) return found
    query = { ...query, seq: end.seq + 1, ...(upToSeq !== undefined && { up_to_seq: upToSeq }) }
  }
}

/** The server lists the last values of at most 1024 subjects. */
async function lastByReading(requests: Requests, stream: StreamName, filters: readonly string[]): Promise<Stored[]> {
  const bySubject = new Map<string, Stored>()
  for (const filter of filters)
    for await (const stored of read(requests, stream, { fromSeq: 1, filter })) bySubject.set(stored.subject, stored)
  return [...bySubject.values()].sort((a, b) => a.seq - b.seq)
}

interface Query {
  readonly seq?: number
  readonly next_by_subj?: string
  readonly multi_last?: readonly string[]
  readonly up_to_seq?: number
  readonly batch: number
  readonly max_bytes: number
}

interface Batch {
  readonly messages: readonly Stored[]
  readonly ended?: (Got & { kind: 'end' })['headers']
  readonly tooMany?: boolean
}

/** One answer in many parts; complete, or Fault `unavailable`. */
async function getBatch(requests: Requests, stream: StreamName, query: Query, timeoutMs?: number): Promise<Batch> {
  const messages: Stored[] = []
  let end: Got | undefined
  const options = timeoutMs === undefined ? {} : { timeoutMs }
  await requests.many(directGet(stream), JSON.stringify(query), options, (reply) => {
    const got = gotOf(stream, reply)
    const lastSeq = messages.at(-1)?.seq ?? 0
    if (got.kind === 'message') {
      // Each part names the one before it, so a lost part is seen.
      if (got.previousSeq !== lastSeq || got.stored.seq <= lastSeq)
        throw unavailable('A part of the stream is missing.')
      messages.push(got.stored)
      return false
    }
    if (got.kind === 'end' && lastSeqOf(got.headers) !== lastSeq) throw unavailable('A part of the stream is missing.')
    end = got
    return true
  })
  if (end?.kind === 'end') return { messages, ended: end.headers }
  return { messages, ...(end?.kind === 'too-many' && { tooMany: true }) }
}
