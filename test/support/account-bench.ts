import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import {
  type Consumer,
  type ConsumerInfo,
  type JetStreamClient,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
  type StreamConfig,
} from '@nats-io/jetstream'
import { connect, credsAuthenticator, type Msg, type NatsConnection } from '@nats-io/transport-node'
import { type Account, type IdentityKind, inboxPrefix, type StreamName } from '@writ/contracts'
import { encodeCredentials } from '@writ/plane'
import type { TestNats } from './nats.ts'

/** A connection that remembers which subjects the server refused it. */
export interface Party {
  readonly nc: NatsConnection
  readonly inbox: string
  readonly refused: string[]
}

/** What stands in every stream, and how each is set up. */
type Everything = readonly { config: StreamConfig; consumers: string[]; messages: number; last: number }[]

const UNTIL_MS = 5000
/** That nothing happens cannot be awaited: this long after a flush, what a server would do has been done. */
const SETTLE_MS = 300

export const client = (nc: NatsConnection): JetStreamClient => jetstream(nc, { checkAPI: false, timeout: 3000 })
export const direct = async (nc: NatsConnection): Promise<JetStreamManager['direct']> =>
  (await jetstreamManager(nc, { checkAPI: false })).direct

/** No CONSUMER.INFO: the consumer was made at enrolment and its name is known. */
export function bind(nc: NatsConnection, stream_name: StreamName, name: string): Consumer {
  const info = { stream_name, name, config: {} } as ConsumerInfo
  return client(nc).consumers.getConsumerFromInfo(info)
}

/** The last message of one subject: what a permission by subject gives. */
export async function lastOf(nc: NatsConnection, stream: StreamName, subject: string): Promise<Uint8Array | undefined> {
  return (await (await direct(nc)).getMessage(stream, { last_by_subj: subject }))?.data
}
export async function textOf(nc: NatsConnection, stream: StreamName, subject: string): Promise<string> {
  return new TextDecoder().decode(await lastOf(nc, stream, subject))
}

/** Every message of a subject in order: whoever may, may read the whole stream. */
export async function history(nc: NatsConnection, stream: StreamName, subject: string): Promise<readonly string[]> {
  const read: string[] = []
  const messages = await (await direct(nc)).getBatch(stream, { seq: 1, next_by_subj: subject, batch: 1000 })
  for await (const message of messages) read.push(message.string())
  return read
}

export function listen(nc: NatsConnection, subject: string): Msg[] {
  const seen: Msg[] = []
  nc.subscribe(subject, { callback: (_, message) => void seen.push(message) })
  return seen
}

export async function until(condition: () => boolean | Promise<boolean>, what = String(condition)): Promise<void> {
  for (const end = performance.now() + UNTIL_MS; !(await condition()); await sleep(5))
    assert(performance.now() < end, `not within ${UNTIL_MS} ms: ${what}`)
}

/** Reads until it finds what was written: on a cluster a direct get may be answered by a replica that trails. */
export async function reads<T>(expected: T, read: () => Promise<T>): Promise<void> {
  let found: T | undefined
  const same = async () => {
    found = await read()
    return isDeepStrictEqual(found, expected)
  }
  await until(same).catch(() => assert.deepEqual(found, expected))
}

async function watched(connecting: Promise<NatsConnection>, inbox: string): Promise<Party> {
  const nc = await connecting
  const refused: string[] = []
  void (async () => {
    for await (const status of nc.status())
      if (status.type === 'error') refused.push((status.error as Error & { subject?: string }).subject ?? '')
  })()
  return { nc, inbox, refused }
}

/** Watches every account of a server that is under attack. */
export class Bench {
  readonly spies: { account: Account; nc: NatsConnection; seen: Msg[] }[] = []
  readonly nats: TestNats
  readonly replicas: number
  readonly jsm: JetStreamManager

  private constructor(nats: TestNats, replicas: number, jsm: JetStreamManager) {
    this.nats = nats
    this.replicas = replicas
    this.jsm = jsm
  }

  static async create(nats: TestNats, replicas: number): Promise<Bench> {
    return new Bench(nats, replicas, await jetstreamManager(nats.store))
  }

  login(kind: IdentityKind, id: string): Promise<Party> {
    return watched(this.nats.login(kind, id), inboxPrefix(kind, id))
  }

  /** A login that may do everything in its account: it sees what reaches it. */
  async placeSpies(): Promise<void> {
    for (const account of ['STORE', 'SVC', 'EDGE'] as const) {
      const { creds } = await encodeCredentials(this.nats.plane, account, 'spy')
      const servers = this.nats.url.split(',')
      const nc = await connect({ servers, authenticator: credsAuthenticator(creds), reconnect: false })
      this.spies.push({ account, nc, seen: listen(nc, '>') })
    }
  }

  async removeSpies(): Promise<void> {
    await Promise.all(this.spies.map(({ nc }) => nc.close()))
  }

  async clearSpies(): Promise<void> {
    await this.heard(...this.spies.map(({ nc }) => nc))
    for (const { seen } of this.spies) seen.length = 0
  }

  /** After it, subscriptions are in force: on a cluster `flush` covers one server, and interest takes a moment to spread. */
  async heard(...connections: NatsConnection[]): Promise<void> {
    await Promise.all(connections.map((nc) => nc.flush()))
    if (this.replicas > 1) await sleep(SETTLE_MS)
  }

  async settle(): Promise<void> {
    await sleep(SETTLE_MS)
    await Promise.all(this.spies.map(({ nc }) => nc.flush()))
  }

  async messagesIn(stream: StreamName): Promise<number> {
    return (await this.jsm.streams.info(stream)).state.messages
  }

  async everything(): Promise<Everything> {
    const all = await this.jsm.streams.list().next()
    return Promise.all(
      all
        .sort((a, b) => (a.config.name < b.config.name ? -1 : 1))
        .map(async ({ config, state }) => {
          const consumers = (await this.jsm.consumers.list(config.name).next()).map(({ name }) => name).sort()
          return { config, consumers, messages: state.messages, last: state.last_seq }
        }),
    )
  }

  /** Every publication is refused by the server, and nothing reaches any account or stream. */
  async cannotPublish({ nc, inbox, refused }: Party, subjects: readonly string[]): Promise<void> {
    const before = await this.everything()
    await this.clearSpies()
    refused.length = 0
    for (const subject of subjects) nc.publish(subject, '', { reply: `${inbox}.x` })
    await nc.flush()
    await until(() => refused.length >= subjects.length).catch(() => {})
    assert.deepEqual(
      subjects.filter((subject) => !refused.includes(subject)),
      [],
      'the server took it',
    )
    for (const spy of this.spies) {
      await spy.nc.flush()
      for (const subject of subjects)
        assert(!spy.seen.some((message) => message.subject === subject), `${subject} reached ${spy.account}`)
    }
    assert.deepEqual(await this.everything(), before)
  }

  /** Every subscription is refused, plain and as a member of a queue group. */
  async cannotSubscribe({ nc, refused }: Party, subjects: readonly string[]): Promise<void> {
    refused.length = 0
    for (const subject of subjects)
      for (const queue of [undefined, 'token-issuer'])
        nc.subscribe(subject, { ...(queue !== undefined && { queue }), callback: () => {} })
    await nc.flush()
    await until(() => refused.length >= 2 * subjects.length).catch(() => {})
    const open = subjects.filter((subject) => refused.filter((one) => one === subject).length < 2)
    assert.deepEqual(open, [], 'the server took it')
  }

  /**
   * Publishes each of the party's own legitimate requests with each hostile reply subject: none of these subjects may
   * appear in another account or in a stream, and no stream or consumer may change its settings.
   */
  async hostileReplies(
    { nc }: Party,
    account: Account,
    requests: readonly (readonly [string, string])[],
    hostile: readonly string[],
    stored: readonly StreamName[],
  ): Promise<void> {
    const own = new Set(requests.map(([subject]) => subject))
    const innocent = (subject: string) => own.has(subject) || !hostile.includes(subject)
    const settings = (all: Everything) => all.map(({ config, consumers }) => ({ config, consumers }))
    const before = settings(await this.everything())
    await this.clearSpies()
    for (const reply of hostile) for (const [subject, body] of requests) nc.publish(subject, body, { reply })
    await nc.flush()
    await this.settle()
    for (const spy of this.spies)
      if (spy.account !== account)
        for (const { subject } of spy.seen) assert(innocent(subject), `${subject} in ${spy.account}`)
    assert.deepEqual(settings(await this.everything()), before)
    const reader = await direct(this.nats.store)
    for (const stream of stored)
      for await (const { subject } of await reader.getLastMessagesFor(stream, { multi_last: ['>'], batch: 200 }))
        assert(innocent(subject), `${subject} stored`)
  }
}
