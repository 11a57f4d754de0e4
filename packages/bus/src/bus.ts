import { ANY, type Bucket as BucketName, type IdentityKind, type StreamName, subjects } from '@writ/contracts'
import { type Bucket, bucket } from './bucket.ts'
import { type ConsumeOptions, type Consuming, consume } from './consume.ts'
import type { Delivery } from './delivery.ts'
import type { Link } from './link.ts'
import { last, lastBySubject, lastFor, type ReadOptions, read } from './read.ts'
import type { Heard } from './received.ts'
import { type RequestOptions, Requests } from './requests.ts'
import { type Body, type Handler, replyToOtherAccount, type ServeOptions, type Serving, serve } from './serve.ts'
import { type StoreOptions, store } from './store.ts'
import type { Stored } from './stored.ts'
import { type StreamInfo, streamInfo } from './stream-info.ts'
import { type Listening, subscribe } from './subscribe.ts'
import { type StreamTail, type TailOptions, tail } from './tail.ts'
import { type Trace, traceFields } from './trace.ts'

export type AskOptions = Pick<RequestOptions, 'timeoutMs' | 'trace'>

/**
 * The message bus as one identity may use it. Subjects come from `subjects` of `@writ/contracts`. Whatever could not be done
 * or decided is Fault `unavailable`, and nothing is kept to be sent later. Guarantees stand where each operation is defined.
 */
export interface Bus extends AsyncDisposable {
  readonly connected: boolean
  /** Calls back after each reconnect. Returns the way to stop it. */
  onReconnect(listener: () => void): () => void

  /** Into a stream: returns when it is acknowledged. `StoreRefused` is the stream's no. */
  store(subject: string, body: Body, options: StoreOptions): Promise<{ readonly seq: number }>
  /** Live, at most once, to whoever listens. @throws Fault `unavailable` without a connection. */
  publish(subject: string, body: Body, trace?: Trace): void
  /** Asks a service of another account. The answer is whatever came back: verify it. */
  request(subject: string, body: Body, options?: AskOptions): Promise<Uint8Array>
  /** Asks inside one account, as agents (`act`) and services (`rpc`) do, answered under `answer.<subject>.…`. */
  ask(subject: string, body: Body, options?: AskOptions): Promise<Uint8Array>

  /** Answers what other accounts ask. */
  serve(subject: string, options: ServeOptions, handler: Handler): Promise<Serving>
  /** Answers what is asked inside this account, and only under `answer.<subject>.…`. */
  answer(subject: string, options: ServeOptions, handler: Handler): Promise<Serving>
  subscribe(subject: string, callback: (heard: Heard) => void): Promise<Listening>
  consume(options: ConsumeOptions, handler: (delivery: Delivery) => Promise<void>): Consuming

  /** The last message of one subject, by the permission to read this subject. */
  last(stream: StreamName, subject: string): Promise<Stored | undefined>
  /** The last message that matches, by the permission to read the whole stream. */
  lastBySubject(stream: StreamName, filter: string): Promise<Stored | undefined>
  /** The last message of each subject that matches. */
  lastFor(stream: StreamName, filters: readonly string[]): Promise<readonly Stored[]>
  /** Every message that matches, in order, to the stream's end. */
  read(stream: StreamName, options: ReadOptions): AsyncIterable<Stored>
  tail(options: TailOptions): Promise<StreamTail>
  bucket(name: BucketName): Bucket
  /** Services only. */
  streamInfo(stream: StreamName): Promise<StreamInfo>

  /** Stops what it serves, consumes and follows, answers what is in hand, and closes the connection. */
  [Symbol.asyncDispose](): Promise<void>
}

export interface BusIdentity {
  readonly region: string
  readonly kind: IdentityKind
  readonly id: string
  readonly inbox: string
  readonly inFlightMax: number
}

export function createBus(link: Link, identity: BusIdentity): Bus {
  const { region, inbox, inFlightMax } = identity
  const at = subjects(region)
  const requests = new Requests(link, `${inbox}.*`, inFlightMax)
  const asking = createAsking(link, identity)
  const stoppers = new Set<() => Promise<void>>()
  const stopped = <T extends { stop(): Promise<void> }>(running: T): T => {
    const stop = running.stop
    stoppers.add(stop)
    running.stop = () => stop().finally(() => stoppers.delete(stop))
    return running
  }
  return {
    get connected() {
      return link.connected
    },
    onReconnect: (listener) => link.listen({ reconnected: listener }),
    store: (subject, body, options) => store(requests, subject, body, options),
    publish: (subject, body, trace) => link.publish(subject, body, { headers: traceFields(trace) }),
    request: async (subject, body, options = {}) => (await requests.one(subject, body, options)).message.data,
    ask: async (subject, body, options = {}) => asking(subject, body, options),
    serve: async (subject, options, handler) =>
      stopped(await serve(link, subject, options, replyToOtherAccount, handler)),
    answer: async (subject, options, handler) => stopped(await serve(link, subject, options, at.answerOf, handler)),
    subscribe: (subject, callback) => subscribe(link, subject, callback),
    consume: (options, handler) => stopped(consume(link, requests, inbox, options, handler)),
    last: (stream, subject) => last(requests, stream, subject),
    lastBySubject: (stream, filter) => lastBySubject(requests, stream, filter),
    lastFor: (stream, filters) => lastFor(requests, stream, filters),
    read: (stream, options) => read(requests, stream, options),
    tail: async (options) => stopped(await tail(link, requests, options)),
    bucket: (name) => bucket(requests, name),
    streamInfo: (stream) => streamInfo(requests, stream),
    [Symbol.asyncDispose]: async () => {
      await Promise.all([...stoppers].map((stop) => stop()))
      await link.close()
    },
  }
}

/** Agents ask gateways, services ask services; nobody else has anybody in his account to ask. */
function createAsking(link: Link, { region, kind, id, inFlightMax }: BusIdentity) {
  const at = subjects(region)
  const ids = kind === 'agent' ? [] : [id]
  const under = kind === 'agent' ? at.answer(at.act(ANY, id), ANY) : at.answer(at.rpc(ANY), id, ANY)
  const requests = new Requests(link, under, inFlightMax)
  return async (subject: string, body: Body, options: AskOptions): Promise<Uint8Array> => {
    const replyTo = (token: string): string => at.answer(subject, ids[0] ?? token, ...(ids.length > 0 ? [token] : []))
    return (await requests.one(subject, body, options, replyTo)).message.data
  }
}
