import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { jetstreamManager } from '@nats-io/jetstream'
import {
  AuditSource,
  type NoteVerifier,
  openLogCheckpoint,
  originOf,
  parseVkey,
  systemClock,
  verifiersFor,
} from '@writ/audit'
import { type Bus, connectBus } from '@writ/bus'
import {
  AUDIT_BYTES_MAX,
  type AuditMessage,
  auditMessage,
  controlMessage,
  type IdentityKind,
  keyMessage,
  SERVICE_BYTES_MAX,
  type Sealed,
  type StreamName,
  sealedMessage,
  subjects,
} from '@writ/contracts'
import {
  ephemeralSigner,
  openMessage,
  openSigner,
  parseJws,
  type Signer,
  signJws,
  signMessage,
  verifyJws,
} from '@writ/keys'
import { createCredentials, ensureStreams, planePaths } from '@writ/plane'
import { openStore, type WormStore } from '@writ/worm-store'
import { expect } from 'vitest'
import {
  expectEachOnce,
  expectForward,
  expectNoFork,
  readStoredLog,
  type StoredLog,
} from '../../packages/audit/src/testing/stored-log.ts'
import { reachBusAt } from './bus-gate.ts'
import { startNats, type TestNats } from './nats.ts'

const REGION = 'test-1'
const DOMAIN = 'test.writ.example'
const at = subjects(REGION)
const MAIN = fileURLToPath(new URL('../../services/audit-sink/dist/main.js', import.meta.url))
const CHILD = fileURLToPath(new URL('sink-child.mjs', import.meta.url))
/** A source waits longer before it sends again. */
const RESEND_MS = 2000
/** How many times faster than the real one the clock of a test's own source goes: a minute of waiting is three seconds. */
const CLOCK_SPEED = 20
const nowSeconds = (): number => Math.floor(Date.now() / 1000)

export interface SinkOptions {
  /** `sink-child.mjs` in the place of the service's own entry: its steps can be failed and paused. */
  readonly stepped?: boolean
  /** Another way to the bus than the server's own address. */
  readonly natsUrl?: string
  readonly env?: Readonly<Record<string, string>>
}

/** An audit-sink as its own process. */
export interface SinkProcess {
  readonly child: ChildProcess
  readonly health: string
  /** Ends as the process did when it ends. */
  readonly ended: Promise<void>
  /** The next such step of the process, or of the one that is started in its place, is done to: see `sink-child.mjs`. */
  arm(how: string, step: string): Promise<void>
  /** What was done, `<how> <step>` each. */
  hits(): Promise<readonly string[]>
  kill(): Promise<void>
}

/** A message as its source publishes it. */
export interface SourceMessage {
  readonly source: string
  readonly seq: number
  readonly subject: string
  readonly body: string
}

export interface StageOptions {
  /** `WRIT_STORE` of the sinks: a directory beside the server's unless told otherwise. */
  readonly store?: string
  /** Opens the same store for the test, where it is not one that this process's own environment finds. */
  readonly open?: () => Promise<WormStore>
  /** Of every sink. */
  readonly env?: Readonly<Record<string, string>>
}

/** A real server with the real accounts, audit-sinks as their own processes, and sources that the test plays. */
export class SinkStage implements AsyncDisposable {
  readonly nats: TestNats
  /** `WRIT_STORE` of the sinks. */
  readonly store: string
  readonly #env: Readonly<Record<string, string>>
  readonly #open: () => Promise<WormStore>
  readonly #issuer: Bus
  readonly #gateway: Bus
  readonly #sinks: SinkProcess[] = []
  /** Heads as they were announced and believed. */
  readonly #heads = new Map<string, number>()
  /** Why announcements were not believed. */
  readonly disbelieved: unknown[] = []
  readonly #key: Signer = ephemeralSigner()
  #boots = 0

  private constructor(nats: TestNats, issuer: Bus, gateway: Bus, { store, env = {}, open }: StageOptions) {
    this.nats = nats
    this.#issuer = issuer
    this.#gateway = gateway
    this.store = store ?? `file:${join(nats.dir, 'store')}`
    this.#env = env
    this.#open = open ?? (() => openStore(this.store))
  }

  static async start(options: StageOptions = {}): Promise<SinkStage> {
    const nats = await startNats({ region: REGION })
    const connect = async (kind: IdentityKind, id: string): Promise<Bus> => {
      const { creds } = await createCredentials(nats.plane, kind, id)
      const credentials = new TextDecoder().decode(creds)
      return await connectBus({ servers: nats.url, credentials, region: REGION, kind, id })
    }
    const [operator, issuer, gateway] = await Promise.all([
      connect('operator', 'root'),
      connect('token-issuer', 'i1'),
      connect('gateway', 'g1'),
    ])
    const root = await openSigner(`file:${planePaths(nats.plane.dir).rootOperatorKey}`)
    const about = { iss: 'root', aud: `writ:${REGION}`, iat: nowSeconds(), jti: 'g1', reason: 'test' }
    const genesis = { ...about, prev: 0, command: 'genesis' as const, stream: 's1' }
    await operator.store(at.control('root'), await signMessage(root, controlMessage, genesis), { stream: 'CONTROL' })
    await operator[Symbol.asyncDispose]()
    const stage = new SinkStage(nats, issuer, gateway, options)
    await issuer.subscribe(
      at.sealed,
      ({ data }) => void stage.#believe(data).catch((error: unknown) => stage.disbelieved.push(error)),
    )
    return stage
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.killSinks()
    await Promise.all([this.#issuer, this.#gateway].map((bus) => bus[Symbol.asyncDispose]()))
    await this.nats.stop()
  }

  // ---- Sinks ---------------------------------------------------------------------------------------------------------

  async startSink(instance: string, { stepped = false, natsUrl, env = {} }: SinkOptions = {}): Promise<SinkProcess> {
    const { enrolmentFile } = await this.nats.enrol({ kind: 'audit-sink', id: instance })
    if (natsUrl !== undefined) await reachBusAt(enrolmentFile, natsUrl)
    const own = join(this.nats.dir, `sink-${instance}`)
    await mkdir(own, { recursive: true })
    const paths = planePaths(this.nats.plane.dir)
    const child = spawn(process.execPath, stepped ? [CHILD, own] : [MAIN], {
      env: {
        PATH: process.env['PATH'],
        WRIT_MODE: 'development',
        WRIT_ENROLMENT: enrolmentFile,
        WRIT_STATE_DIR: join(this.nats.dir, `state-${instance}`),
        WRIT_ANCHOR_KEY: `file:${paths.anchorKey('audit-sink')}`,
        WRIT_STORE: this.store,
        WRIT_LOG_KEY: `file:${paths.logKey}`,
        WRIT_LOG_DOMAIN: DOMAIN,
        WRIT_SEAL_MS: '50',
        ...this.#env,
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const ended = once(child, 'exit').then(() => {})
    const sink: SinkProcess = {
      child,
      health: await this.#healthOf(child, instance),
      ended,
      arm: (how, step) => writeFile(join(own, 'fault'), `${how}|${step}`),
      hits: async () => linesOf(await readFile(join(own, 'hits'), 'utf8').catch(() => ''), '\n'),
      kill: async () => {
        if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
        await ended
      },
    }
    this.#sinks.push(sink)
    return sink
  }

  #healthOf(child: ChildProcess, instance: string): Promise<string> {
    return new Promise((resolve, reject) => {
      let said = ''
      for (const stream of [child.stdout, child.stderr])
        stream?.setEncoding('utf8').on('data', (chunk: string) => {
          said = `${said}${chunk}`.slice(-20_000)
          void appendFile(join(this.nats.dir, `${instance}.log`), chunk).catch(() => {})
          const url = /"url":"(http:[^"]+)"/.exec(said)?.[1]
          if (url !== undefined) resolve(url)
        })
      child.once('exit', (code) => reject(new Error(`audit-sink ended with ${code}: ${said}`)))
    })
  }

  async killSinks(): Promise<void> {
    await Promise.all(this.#sinks.splice(0).map((sink) => sink.kill()))
  }

  /** Waits until a sink can seal. */
  async ready({ health }: SinkProcess): Promise<void> {
    await this.until(
      async () => (await fetch(`${health}/readyz`).catch(() => undefined))?.ok === true,
      'audit-sink is ready',
    )
  }

  async until(condition: () => boolean | Promise<boolean>, what: string, ms = 60_000): Promise<void> {
    for (const end = Date.now() + ms; !(await condition()); await sleep(20))
      if (Date.now() > end) {
        const logs = (await readdir(this.nats.dir)).filter((name) => name.endsWith('.log'))
        const tails = await Promise.all(
          logs.map(async (name) => `${name}: ${(await readFile(join(this.nats.dir, name), 'utf8')).slice(-4000)}`),
        )
        throw new Error(`not within ${ms} ms: ${what}\n${tails.join('\n')}`)
      }
  }

  // ---- Sources -------------------------------------------------------------------------------------------------------

  /** The messages of a new boot of a source, signed with a key that nobody has endorsed, or with this one. */
  async chain(
    count: number,
    options: { readonly kind?: 'token-issuer' | 'gateway'; readonly key?: Signer } = {},
  ): Promise<readonly SourceMessage[]> {
    const { kind = 'token-issuer', key = this.#key } = options
    const [id, boot] = [kind === 'gateway' ? 'g1' : 'i1', `b${this.#boots++}`]
    const source = `${kind}/${id}/${boot}`
    const bodies = Array.from({ length: count }, (_, seq) =>
      signJws(key, 'writ-audit+jwt', { source, seq, fill: 'x'.repeat(200) }),
    )
    return (await Promise.all(bodies)).map((body, seq) => ({ source, seq, subject: at.audit(kind, id, boot), body }))
  }

  /** Publishes in order, again until the stream takes it: as a source does. */
  async publish(messages: readonly SourceMessage[]): Promise<void> {
    for (const { source, subject, body } of messages) {
      const edge = source.startsWith('gateway/')
      const [bus, stream] = edge ? [this.#gateway, 'AUDIT_EDGE' as const] : [this.#issuer, 'AUDIT' as const]
      await this.#stored(bus, subject, body, stream)
    }
  }

  async #stored(bus: Bus, subject: string, body: string, stream: StreamName): Promise<void> {
    for (;;) {
      try {
        await bus.store(subject, body, { stream })
        return
      } catch {
        await sleep(50)
      }
    }
  }

  /** Whether the sources have heard that the log holds all of these. */
  covered(messages: readonly SourceMessage[]): boolean {
    return this.#uncovered(messages).length === 0
  }

  #uncovered(messages: readonly SourceMessage[]): readonly SourceMessage[] {
    return messages.filter(({ source, seq }) => (this.#heads.get(source) ?? -1) < seq)
  }

  /** Publishes until the log is known to hold it: what is lost on the way, with its stream or with an announcement, is sent again. */
  async publishUntilCovered(messages: readonly SourceMessage[], ms = 60_000): Promise<void> {
    await this.publish(this.#uncovered(messages))
    let last = Date.now()
    await this.until(
      async () => {
        const left = this.#uncovered(messages)
        if (left.length > 0 && Date.now() - last > RESEND_MS) {
          await this.publish(left)
          last = Date.now()
        }
        return left.length === 0
      },
      'the log holds what was published',
      ms,
    )
  }

  /** A source with the product's own code, `token-issuer/i1`, whose clock goes faster. `dir`: of its outboxes. */
  async startSource(dir: string, options: { readonly outboxBytesMax?: number } = {}): Promise<AuditSource> {
    const boot = `real${this.#boots++}`
    const key = ephemeralSigner()
    await this.endorse(key)
    const { nowMs, after } = systemClock
    const source = await AuditSource.start({
      ...options,
      dir: join(this.nats.dir, dir),
      region: REGION,
      role: 'token-issuer',
      instance: 'i1',
      boot,
      signer: key,
      publish: async (subject, bytes) => {
        await this.#issuer.store(subject, bytes, { stream: 'AUDIT', timeoutMs: 2000 })
      },
      verifySealed: (body) => this.#sealed(body),
      verifyCheckpoint: () => {},
      report: () => {},
      clock: { nowMs, after: (ms, callback) => after(ms / CLOCK_SPEED, callback) },
    })
    await this.#issuer.subscribe(at.sealed, ({ data }) => void source.onSealed(data).catch(() => {}))
    return source
  }

  /** Endorses a key of `token-issuer/i1`, as the service does when it starts. */
  async endorse(key: Signer): Promise<void> {
    const anchor = await openSigner(`file:${planePaths(this.nats.plane.dir).anchorKey('token-issuer')}`)
    const endorsement = await signMessage(anchor, keyMessage, {
      iss: 'token-issuer',
      aud: `writ:${REGION}`,
      iat: nowSeconds(),
      exp: nowSeconds() + 3600,
      role: 'token-issuer',
      kid: key.kid,
      jwk: key.jwk,
      instance: 'i1',
      boot: `b${this.#boots}`,
    })
    await this.#stored(this.#issuer, at.registry('key', key.kid), endorsement, 'SIGNERS')
  }

  async #believe(data: Uint8Array): Promise<void> {
    for (const [source, seq] of Object.entries((await this.#sealed(data)).heads))
      this.#heads.set(source, Math.max(seq, this.#heads.get(source) ?? -1))
  }

  /** An announcement as sources believe it: by a key of audit-sink that its anchor endorsed, with a checkpoint that the log key signed. */
  async #sealed(data: Uint8Array): Promise<Sealed> {
    const { kid } = parseJws(data, SERVICE_BYTES_MAX)
    const endorsement = await this.#issuer.lastBySubject('SIGNERS', at.registry('key', kid))
    const endorsed = openMessage(keyMessage, endorsement?.data ?? new Uint8Array())
    const anchor = this.nats.plane.trust.anchors['audit-sink']
    if (anchor === undefined) throw new Error('no anchor')
    verifyJws(endorsed.jws, anchor)
    const { jws, claims } = openMessage(sealedMessage, data)
    verifyJws(jws, endorsed.claims.jwk)
    openLogCheckpoint(claims.checkpoint, [parseVkey(this.nats.plane.logVkey)])
    return claims
  }

  // ---- Streams and log -----------------------------------------------------------------------------------------------

  /** How many messages a stream holds; infinitely many while it cannot be asked. */
  stored(stream: StreamName): Promise<number> {
    return this.#issuer.streamInfo(stream).then(
      ({ messages }) => messages,
      () => Number.POSITIVE_INFINITY,
    )
  }

  /** Deletes AUDIT with all it holds and makes it anew, as the provisioning tool does. */
  async rebuildAudit(): Promise<void> {
    const jsm = await jetstreamManager(this.nats.store)
    await jsm.streams.delete('AUDIT')
    await ensureStreams(this.nats.store, { region: REGION })
  }

  /** Lets AUDIT hold this many bytes and no more. */
  async limitAudit(maxBytes: number): Promise<void> {
    const jsm = await jetstreamManager(this.nats.store)
    await jsm.streams.update('AUDIT', { max_bytes: maxBytes })
  }

  /** Lets AUDIT hold what it holds now, to the byte. */
  async fillAudit(): Promise<void> {
    const jsm = await jetstreamManager(this.nats.store)
    const { state } = await jsm.streams.info('AUDIT')
    await this.limitAudit(state.bytes)
  }

  /** nats-server is stopped, AUDIT's files are removed, nats-server is started, and the provisioning tool makes what is missing. */
  async loseAuditFiles(): Promise<void> {
    await this.nats.kill()
    const paths = (await readdir(this.nats.dir, { recursive: true })).filter((path) => path.endsWith('/streams/AUDIT'))
    expect(paths).toHaveLength(1)
    for (const path of paths) await rm(join(this.nats.dir, path), { recursive: true })
    await this.nats.start()
  }

  /** Texts of all notes that stepped sinks have ever signed. */
  async notes(): Promise<readonly string[]> {
    const dirs = (await readdir(this.nats.dir)).filter((name) => name.startsWith('sink-'))
    const texts = await Promise.all(
      dirs.map((dir) => readFile(join(this.nats.dir, dir, 'notes'), 'utf8').catch(() => '')),
    )
    return texts.flatMap((text) => linesOf(text, '\u0000'))
  }

  async #readLog(): Promise<{ readonly log: StoredLog; readonly store: WormStore; readonly verifier: NoteVerifier }> {
    const store = await this.#open()
    const origins: string[] = []
    for await (const name of store.list(`${DOMAIN}/${REGION}/`))
      if (!name.endsWith('.meta/')) origins.push(originOf({ domain: DOMAIN, region: REGION }, name.slice(0, -1)))
    expect(origins).toHaveLength(1)
    const [origin = ''] = origins
    const [verifier] = verifiersFor(origin, [parseVkey(this.nats.plane.logVkey)])
    if (verifier === undefined) throw new Error('no verifier')
    return { log: await readStoredLog(store, origin, verifier), store, verifier }
  }

  async log(): Promise<StoredLog> {
    return (await this.#readLog()).log
  }

  /** The log's entries that are whole audit messages, which those of `chain` are not, in their order. */
  async entries(): Promise<readonly AuditMessage[]> {
    return (await this.log()).entries.flatMap((entry) => {
      if (!Array.isArray(parseJws(entry, AUDIT_BYTES_MAX).payload['events'])) return []
      return [openMessage(auditMessage, Buffer.from(entry)).claims]
    })
  }

  /**
   * The log holds each of these once (and others perhaps, none twice), its checkpoint never turned back, and every note ever signed, as far as it is in
   * the store or a stepped sink has told of it, is about a beginning of it.
   */
  async expectLog(wanted: readonly SourceMessage[]): Promise<void> {
    const { log, store, verifier } = await this.#readLog()
    const bodies = new Set(wanted.map(({ body }) => body))
    expectEachOnce(
      { ...log, entries: log.entries.filter((entry) => bodies.has(entry)) },
      wanted.map(({ body }) => body),
    )
    expect(new Set(log.entries).size, 'no entry twice').toBe(log.entries.length)
    await expectForward(store, log.origin, verifier)
    const copies = `${log.origin}.meta/checkpoints/`
    const stored: string[] = []
    for await (const name of store.list(copies)) {
      const note = Buffer.from((await store.get(`${copies}${name}`)) ?? []).toString()
      stored.push(note.slice(0, note.lastIndexOf('\n\n') + 1))
    }
    expectNoFork(log, [...stored, ...(await this.notes())])
  }
}

const linesOf = (text: string, separator: string): readonly string[] =>
  text.split(separator).filter((line) => line.length > 0)
