import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type JetStreamClient, type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect, credsAuthenticator, type Msg, type NatsConnection } from '@nats-io/transport-node'
import { calculateJwkThumbprint, type JWK } from 'jose'
import { type Claims, type Opened, type OutsiderKey, open, verified } from './outsider-jws.ts'

// A client of the bus that knows CONTRACT.md and NATS.md and nothing of this project's code.

/** `.writ/local.json`, as far as an outsider uses it. */
export interface LocalJson {
  readonly nats_url: string
  readonly region: string
  readonly trust: { readonly operators: Record<string, JWK>; readonly anchors: Record<string, JWK> }
  readonly store_dir: string
  readonly log_origin: string
  readonly log_vkey: string
  readonly services: Record<string, { readonly health_url: string }>
}

interface Endorsed {
  readonly jwk: JWK
  readonly role: string
  readonly iat: number
  readonly exp: number
}

export interface Revoke {
  readonly seq: number
  readonly claims: Claims
}

const WAIT_MS = 15_000
const KEY_WAIT_MS = 5000

/** Asks until there is an answer; an answer is anything but undefined and false. */
export async function until<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  withinMs: number = WAIT_MS,
): Promise<T> {
  for (const deadline = performance.now() + withinMs; ; await delay(20)) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    if (performance.now() > deadline) throw new Error(`Not within ${withinMs} ms: ${what}`)
  }
}

/** Somebody with NATS credentials and a key of their own. */
export class Outsider implements AsyncDisposable {
  readonly kind: string
  readonly id: string
  readonly key: OutsiderKey
  readonly local: LocalJson
  readonly nc: NatsConnection
  readonly js: JetStreamClient
  readonly jsm: JetStreamManager
  readonly #endorsed = new Map<string, Endorsed>()
  readonly #parties = new Map<string, { readonly version: number; readonly keys: readonly JWK[] }>()
  readonly #everOperators = new Map<string, JWK[]>()

  private constructor(given: Pick<Outsider, 'kind' | 'id' | 'key' | 'local' | 'nc' | 'jsm'>) {
    this.kind = given.kind
    this.id = given.id
    this.key = given.key
    this.local = given.local
    this.nc = given.nc
    this.jsm = given.jsm
    this.js = jetstream(given.nc, { checkAPI: false, timeout: 5000 })
  }

  /** @param folder of `enrolment.json` and `nats.creds`. */
  static async connect(local: LocalJson, folder: string, key: OutsiderKey): Promise<Outsider> {
    const file = join(folder, 'enrolment.json')
    const enrolment = JSON.parse(await readFile(file, 'utf8')) as Record<string, string>
    const { kind = '', id = '', credentials_file = '' } = enrolment
    const nc = await connect({
      servers: local.nats_url,
      authenticator: credsAuthenticator(await readFile(join(dirname(file), credentials_file))),
      inboxPrefix: `_INBOX_${kind}_${id}`,
    })
    const jsm = await jetstreamManager(nc, { checkAPI: false })
    return new Outsider({ kind, id, key, local, nc, jsm })
  }

  get aud(): string {
    return `writ:${this.local.region}`
  }

  at(...tokens: string[]): string {
    return ['writ', 'v1', this.local.region, ...tokens].join('.')
  }

  /** The last message of one subject, by direct get; undefined: there is none. */
  async last(stream: string, subject: string): Promise<string | undefined> {
    const found = await this.jsm.direct.getMessage(stream, { last_by_subj: subject })
    return found === null ? undefined : Buffer.from(found.data).toString()
  }

  /** Every message that matches, from `seq` to the stream's end. */
  async *all(
    stream: string,
    filter: string,
  ): AsyncGenerator<{ subject: string; seq: number; data: string; ttl: boolean }> {
    for (let seq = 1; ; ) {
      let count = 0
      const batch = await this.jsm.direct.getBatch(stream, { seq, next_by_subj: filter, batch: 256 })
      try {
        for await (const { subject, seq: found, data, header } of batch) {
          count += 1
          seq = found + 1
          yield { subject, seq: found, data: Buffer.from(data).toString(), ttl: header?.has('Nats-TTL') ?? false }
        }
      } catch (error) {
        // The server's 404: there is no more.
        if (!/message not found/i.test(String(error))) throw error
      }
      if (count === 0) return
    }
  }

  async ask(subject: string, body: string | Uint8Array, timeout = 5000): Promise<string> {
    return (await this.nc.request(subject, body, { timeout })).string()
  }

  listen(subject: string): Msg[] {
    const heard: Msg[] = []
    this.nc.subscribe(subject, { callback: (error, message) => void (error === null && heard.push(message)) })
    return heard
  }

  /** A message of a service: its key by SIGNERS, endorsed by the role's anchor at the message's `iat`. Throws otherwise. */
  async fromService(compact: string, role: string, typ: string, aud: string = this.aud): Promise<Opened> {
    const { kid } = open(compact)
    const key = await until(`a key ${kid} of ${role}`, () => this.#keyOf(kid), KEY_WAIT_MS)
    const message = await verified(compact, key.jwk, typ)
    const { iss, aud: said, iat } = message.claims as { iss: string; aud: string; iat: number }
    const issuer = typ === 'writ-token+jwt' ? this.aud : role
    if (key.role !== role || iss !== issuer || said !== aud) throw new Error(`${typ} by ${key.role} ${iss} for ${said}`)
    if (iat < key.iat || iat >= key.exp) throw new Error('the endorsement was not in force')
    return message
  }

  /** A message of an agent, gateway or operator whose record is in SIGNERS. */
  async fromParty(compact: string, kind: string, id: string, typ: string): Promise<Opened> {
    const { kid } = open(compact)
    const find = async (): Promise<JWK | undefined> => {
      for (const jwk of this.#parties.get(`${kind}.${id}`)?.keys ?? [])
        if ((await calculateJwkThumbprint(jwk, 'sha256')) === kid) return jwk
      await this.readSigners()
      return undefined
    }
    const message = await verified(compact, await until(`a key ${kid} of ${kind} ${id}`, find, KEY_WAIT_MS), typ)
    if (message.claims['iss'] !== id) throw new Error(`${typ} says it is by ${String(message.claims['iss'])}`)
    return message
  }

  async #keyOf(kid: string): Promise<Endorsed | undefined> {
    if (!this.#endorsed.has(kid)) await this.readSigners()
    return this.#endorsed.get(kid)
  }

  /** Keys that anchors endorse, and records that operators signed. */
  async readSigners(): Promise<void> {
    for await (const { subject, data } of this.all('SIGNERS', this.at('registry', '>'))) {
      const [kind = '', id = ''] = subject.split('.').slice(-2)
      if (kind === 'key') await this.#takeKey(id, data).catch(() => undefined)
      else await this.#takeRecord(kind, id, data).catch(() => undefined)
    }
  }

  async #takeKey(id: string, data: string): Promise<void> {
    const { role, kid, jwk, iss, iat, exp } = open(data).claims as unknown as Endorsed & Record<'kid' | 'iss', string>
    const anchor = this.local.trust.anchors[role]
    if (anchor === undefined || iss !== role || kid !== id || exp - iat > 86_400) return
    await verified(data, anchor, 'writ-key+jwt')
    if ((await calculateJwkThumbprint(jwk, 'sha256')) === kid) this.#endorsed.set(kid, { jwk, role, iat, exp })
  }

  async #takeRecord(kind: string, id: string, data: string): Promise<void> {
    const { claims } = await this.verifyRecord(data)
    if (claims['kind'] !== kind || claims['id'] !== id) return
    const { version, record } = claims as { version: number; record: { keys?: JWK[] } | null }
    const name = `${kind}.${id}`
    const keys = record?.keys ?? []
    if (version > (this.#parties.get(name)?.version ?? 0)) this.#parties.set(name, { version, keys })
    if (kind === 'operator') this.#everOperators.set(id, [...(this.#everOperators.get(id) ?? []), ...keys])
  }

  /** A filed value: its first line is the operator's command, signed by a pinned operator or one whose record is in SIGNERS. */
  async verifyRecord(value: string): Promise<Opened> {
    const [command = ''] = value.split('\n')
    const { kid, claims } = open(command)
    const id = String(claims['iss'])
    const pinned = this.local.trust.operators[id]
    for (const jwk of pinned === undefined ? (this.#everOperators.get(id) ?? []) : [pinned])
      if ((await calculateJwkThumbprint(jwk, 'sha256')) === kid) return verified(command, jwk, 'writ-command+jwt')
    throw new Error(`nobody known signed this record (${id})`)
  }

  /** CONTROL from its start: its identity, the end of its chain, the last that is stored, and what stands. Throws when the chain of `prev` is broken. */
  async readControl(): Promise<{ stream: string; seq: number; last: number; standing: readonly Revoke[] }> {
    await this.readSigners()
    let stream = ''
    let seq = 0
    let last = 0
    const standing = new Map<number, Revoke>()
    for await (const message of this.all('CONTROL', this.at('control', '*'))) {
      last = message.seq
      if (message.ttl) continue
      const claims = claimsOf(message.data)
      const prev = Number(claims['prev'] ?? seq)
      if (prev > seq) throw new Error(`message ${prev} of CONTROL is withheld`)
      const valid = prev === seq && (await this.#isOperators(message.subject, message.data).catch(() => false))
      seq = message.seq
      if (!valid) continue
      if (claims['command'] === 'genesis' && stream === '') stream = String(claims['stream'])
      if (claims['command'] === 'revoke') standing.set(seq, { seq, claims })
      if (claims['command'] === 'lift') standing.delete(Number(claims['lifts']))
    }
    return { stream, seq, last, standing: [...standing.values()] }
  }

  async #isOperators(subject: string, compact: string): Promise<boolean> {
    const id = subject.split('.').at(-1) ?? ''
    const { kid, claims } = open(compact)
    const pinned = this.local.trust.operators[id]
    for (const jwk of pinned === undefined ? (this.#everOperators.get(id) ?? []) : [pinned]) {
      if ((await calculateJwkThumbprint(jwk, 'sha256')) !== kid || claims['iss'] !== id) continue
      return verified(compact, jwk, 'writ-control+jwt').then(
        () => true,
        () => false,
      )
    }
    return false
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.nc.close()
  }
}

/** Whatever operators store: what is no JWS has no claims. */
function claimsOf(data: string): Claims {
  try {
    return open(data).claims
  } catch {
    return {}
  }
}
