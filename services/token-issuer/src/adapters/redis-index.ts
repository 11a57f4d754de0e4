import { createClient } from '@redis/client'
import { Fault, USES_KEPT_SECONDS } from '@writ/contracts'
import type { IndexedToken, TokenIndex, TokenPage } from '../ports.ts'

export interface RedisIndexOptions {
  /** `redis://[user:password@]host:port[/db]` or `rediss://…` */
  readonly url: string
  readonly region: string
  /** Everything there is, from the bucket of uses: what a Redis that was lost is filled from. */
  readonly everything: () => AsyncIterable<IndexEntry>
  readonly report: (problem: string, error?: unknown) => void
}

export type IndexEntry =
  | ({ readonly kind: 'token' } & IndexedToken)
  | { readonly kind: 'use'; readonly key: string; readonly digest: string }

/** A redeem is not kept waiting longer than this for a no that the bucket gives too. */
const SPENT_TIMEOUT_MS = 25
const CALL_TIMEOUT_MS = 1000
/** After a failure nothing is asked for this long, so that a Redis that hangs costs one wait, not one for each redeem. */
const PAUSE_MS = 1000
const CHECK_EVERY_MS = 5000
const QUEUE_MAX = 10_000
const MISSED_MAX = 5000
const TRIM_EVERY_MS = 60_000
const SETS_MAX = 10_000
const CURSOR = /^\d{12}\.[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/

/** The token index in Redis 6.2 or later. Losing it, emptying it or writing to it changes no answer but `list` and an early no. */
export class RedisIndex implements TokenIndex, AsyncDisposable {
  readonly #client
  readonly #options: RedisIndexOptions
  readonly #prefix: string
  readonly #timer: NodeJS.Timeout
  #pausedUntilMs = 0
  /** A write failed or the connection was lost: what is there may not be all. */
  #incomplete = true
  /** Writes that were not tried while nothing was asked of Redis. */
  #missed: (() => Promise<void>)[] = []
  readonly #trimmedMs = new Map<string, number>()
  #makingUp: Promise<void> | undefined
  #filling: Promise<void> | undefined
  /** Everything is being written again: a list would leave out what is still to come. */
  #anew = false

  private constructor(options: RedisIndexOptions) {
    this.#options = options
    this.#prefix = `writ:${options.region}:`
    this.#client = createClient({
      url: options.url,
      disableOfflineQueue: true,
      commandsQueueMaxLength: QUEUE_MAX,
      pingInterval: 1000,
      socket: {
        connectTimeout: 2000,
        socketTimeout: 5000,
        reconnectStrategy: (retries: number) => Math.min(100 * 2 ** retries, 2000),
      },
    })
    this.#client.on('error', (error: unknown) => this.#lost(error))
    this.#client.on('ready', () => this.#refill())
    this.#timer = setInterval(() => this.#refill(), CHECK_EVERY_MS).unref()
  }

  /** Returns at once: Redis may be there now, later or never. */
  static start(options: RedisIndexOptions): RedisIndex {
    const index = new RedisIndex(options)
    index.#client.connect().catch((error: unknown) => index.#lost(error))
    return index
  }

  /** Whether Redis answers. */
  get connected(): boolean {
    return this.#client.isReady
  }

  /** Whether `list` answers now, and all tokens are there. */
  get complete(): boolean {
    return this.#client.isReady && !this.#incomplete && !this.#anew && this.#missed.length === 0
  }

  recordToken(token: IndexedToken): void {
    this.#beside(() => this.#writeToken(token))
  }

  recordUse(key: string, redeemDigest: string): void {
    this.#beside(() => this.#writeUse(key, redeemDigest))
  }

  async spentBy(key: string): Promise<string | undefined> {
    if (!this.#usable()) return undefined
    return await this.#call(SPENT_TIMEOUT_MS, () => this.#client.get(`${this.#prefix}use:${key}`)).then(
      (digest) => digest ?? undefined,
      () => undefined,
    )
  }

  async list({ agentId, limit, after }: Parameters<TokenIndex['list']>[0]): Promise<TokenPage> {
    if (after !== undefined && !CURSOR.test(after))
      throw new Fault('malformed', { message: 'The cursor is not one that a list of tokens has given.' })
    try {
      return await this.#page(this.#setOf(agentId), limit, after === undefined ? '+' : `(${after}`)
    } catch (cause) {
      throw new Fault('unavailable', { message: 'The record of tokens cannot be read now.', cause })
    }
  }

  async #page(set: string, limit: number, from: string): Promise<TokenPage> {
    await this.#makeUp()
    if (!this.complete || (await this.#marked()) === false) throw new Error('not filled')
    const found = await this.#call(CALL_TIMEOUT_MS, () =>
      this.#client.zRange(set, from, '-', { BY: 'LEX', REV: true, LIMIT: { offset: 0, count: limit } }),
    )
    const last = found.at(-1)
    if (last === undefined) return { items: [] }
    const keys = found.map((member) => this.#tokenKey(member.slice(member.indexOf('.') + 1)))
    const tokens = await this.#call(CALL_TIMEOUT_MS, () => this.#client.mGet(keys))
    return {
      items: tokens.filter((token) => token !== null),
      ...(found.length === limit && { next: last }),
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer)
    this.#incomplete = true
    if (this.#client.isOpen) this.#client.destroy()
    await this.#filling
  }

  async #writeToken({ tokenId, agentId, iat, token }: IndexedToken): Promise<void> {
    const member = `${stamp(iat)}.${tokenId}`
    const multi = this.#client.multi().set(this.#tokenKey(tokenId), token, { EX: USES_KEPT_SECONDS })
    for (const set of [this.#setOf(), this.#setOf(agentId)]) {
      // An end each time: a Redis that was emptied or rolled back has a set made anew, and nobody tells.
      multi.zAdd(set, { score: 0, value: member }).expire(set, 2 * USES_KEPT_SECONDS)
      if (this.#isDue(set)) multi.zRemRangeByLex(set, '-', `(${stamp(iat - USES_KEPT_SECONDS)}`)
    }
    await this.#call(CALL_TIMEOUT_MS, () => multi.exec())
  }

  /** Whether what is old in a set is cut off now: once a minute, not with each token. */
  #isDue(set: string): boolean {
    const nowMs = performance.now()
    if (nowMs - (this.#trimmedMs.get(set) ?? Number.NEGATIVE_INFINITY) < TRIM_EVERY_MS) return false
    this.#trimmedMs.delete(set)
    this.#trimmedMs.set(set, nowMs)
    if (this.#trimmedMs.size > SETS_MAX) this.#trimmedMs.delete(this.#trimmedMs.keys().next().value ?? '')
    return true
  }

  async #writeUse(key: string, digest: string): Promise<void> {
    await this.#call(CALL_TIMEOUT_MS, () =>
      this.#client.set(`${this.#prefix}use:${key}`, digest, { EX: USES_KEPT_SECONDS, NX: true }),
    )
  }

  /** A write that is late is made again: they may all be repeated. More than a few thousand, and Redis is filled anew. */
  #beside(write: () => Promise<void>): void {
    if (this.#usable()) write().catch(() => this.#miss(write))
    else this.#miss(write)
  }

  #miss(write: () => Promise<void>): void {
    if (this.#incomplete) return
    this.#missed.push(write)
    if (this.#missed.length <= MISSED_MAX) return
    this.#missed = []
    this.#incomplete = true
  }

  /** One making-up at a time. What could not be written stays, and nothing counts as complete before it is there. */
  #makeUp(): Promise<void> {
    this.#makingUp ??= this.#makeUpNow().finally(() => {
      this.#makingUp = undefined
    })
    return this.#makingUp
  }

  async #makeUpNow(): Promise<void> {
    for (let write = this.#missed[0]; write !== undefined; write = this.#missed[0]) {
      if (!this.#usable() || this.#incomplete) return
      const made = await write().then(
        () => true,
        () => false,
      )
      if (!made) return
      if (this.#missed[0] === write) this.#missed.shift()
    }
  }

  /** Fills Redis again after it was lost or emptied: at each connection, and when a look finds its mark gone. */
  #refill(): void {
    if (this.#filling !== undefined || !this.#client.isReady) return
    this.#filling = this.#fill()
      .catch((error: unknown) => {
        this.#incomplete = true
        this.#options.report('The token index could not be filled.', error)
      })
      .finally(() => {
        this.#filling = undefined
      })
  }

  async #fill(): Promise<void> {
    await this.#makeUp()
    if (!this.#usable()) return
    if (!this.#incomplete && (await this.#marked())) return
    this.#missed = []
    this.#anew = true
    this.#incomplete = false
    try {
      await this.#writeEverything()
    } catch (error) {
      this.#incomplete = true
      throw error
    } finally {
      this.#anew = false
    }
  }

  async #writeEverything(): Promise<void> {
    for await (const entry of this.#options.everything()) {
      if (entry.kind === 'token') await this.#writeToken(entry)
      else await this.#writeUse(entry.key, entry.digest)
    }
    await this.#call(CALL_TIMEOUT_MS, () => this.#client.set(`${this.#prefix}filled`, '1'))
  }

  async #marked(): Promise<boolean> {
    return (await this.#call(CALL_TIMEOUT_MS, () => this.#client.exists(`${this.#prefix}filled`))) === 1
  }

  #lost(error: unknown): void {
    if (!this.#incomplete) this.#options.report('Redis does not answer; tokens go on without it.', error)
    this.#incomplete = true
  }

  #usable(): boolean {
    return this.#client.isReady && performance.now() >= this.#pausedUntilMs
  }

  async #call<T>(timeoutMs: number, command: () => Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined
    const limit = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs)
    })
    try {
      return await Promise.race([command(), limit])
    } catch (error) {
      this.#pausedUntilMs = performance.now() + PAUSE_MS
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  #tokenKey(tokenId: string): string {
    return `${this.#prefix}token:${tokenId}`
  }

  /** All tokens, or one agent's. */
  #setOf(agentId?: string): string {
    return agentId === undefined ? `${this.#prefix}tokens` : `${this.#prefix}tokens:${agentId}`
  }
}

/** Seconds, so that the order of texts is the order of times. */
function stamp(seconds: number): string {
  return String(Math.max(0, seconds)).padStart(12, '0')
}
