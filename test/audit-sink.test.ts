import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { jetstreamManager } from '@nats-io/jetstream'
import {
  bundlePath,
  decodeBundle,
  fullTiles,
  leafHash,
  merkleRoot,
  openLogCheckpoint,
  parseVkey,
  partialWidth,
  proveConsistency,
  verifyConsistency,
} from '@writ/audit'
import { type Bus, connectBus } from '@writ/bus'
import {
  AUDIT_BYTES_MAX,
  controlMessage,
  type IdentityKind,
  keyMessage,
  SERVICE_BYTES_MAX,
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
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { startNats, type TestNats } from './support/nats.ts'

const REGION = 'test-1'
const DOMAIN = 'test.writ.example'
const at = subjects(REGION)
const main = fileURLToPath(new URL('../services/audit-sink/dist/main.js', import.meta.url))
const nowSeconds = (): number => Math.floor(Date.now() / 1000)

let nats: TestNats
let issuer: Bus
let gateway: Bus
let store: string
const auditKey: Signer = ephemeralSigner()
const sinks: Sink[] = []
/** Heads as they were announced and believed. */
const heads = new Map<string, number>()
const disbelieved: unknown[] = []

beforeAll(async () => {
  nats = await startNats()
  store = join(nats.dir, 'store')
  const root = await openSigner(`file:${planePaths(nats.plane.dir).rootOperatorKey}`)
  const genesis = await signMessage(root, controlMessage, {
    iss: 'root',
    aud: `writ:${REGION}`,
    iat: nowSeconds(),
    jti: 'g1',
    prev: 0,
    reason: 'test',
    command: 'genesis',
    stream: 's1',
  })
  const operator = await connect('operator', 'root')
  await operator.store(at.control('root'), genesis, { stream: 'CONTROL' })
  await operator[Symbol.asyncDispose]()
  ;[issuer, gateway] = await Promise.all([connect('token-issuer', 'i1'), connect('gateway', 'g1')])
  await issuer.subscribe(at.sealed, ({ data }) => void believe(data).catch((error: unknown) => disbelieved.push(error)))
})
afterEach(async () => {
  await Promise.all(sinks.splice(0).map((sink) => sink.kill()))
})
afterAll(async () => {
  await Promise.all([issuer, gateway].map((bus) => bus?.[Symbol.asyncDispose]()))
  await nats?.stop()
})

async function connect(kind: IdentityKind, id: string): Promise<Bus> {
  const { creds } = await createCredentials(nats.plane, kind, id)
  return await connectBus({ servers: nats.url, credentials: new TextDecoder().decode(creds), region: REGION, kind, id })
}

// ---- Audit-sink as its own process ---------------------------------------------------------------------------------

interface Sink {
  readonly child: ChildProcess
  readonly health: string
  kill(): Promise<void>
}

async function startSink(instance: string, env: Readonly<Record<string, string>> = {}): Promise<Sink> {
  const { enrolmentFile } = await nats.enrol({ kind: 'audit-sink', id: instance })
  const paths = planePaths(nats.plane.dir)
  const child = spawn(process.execPath, [main], {
    env: {
      PATH: process.env['PATH'],
      WRIT_MODE: 'development',
      WRIT_ENROLMENT: enrolmentFile,
      WRIT_STATE_DIR: join(nats.dir, `state-${instance}`),
      WRIT_ANCHOR_KEY: `file:${paths.anchorKey('audit-sink')}`,
      WRIT_STORE: `file:${store}`,
      WRIT_LOG_KEY: `file:${paths.logKey}`,
      WRIT_LOG_DOMAIN: DOMAIN,
      WRIT_SEAL_MS: '50',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const health = await new Promise<string>((resolve, reject) => {
    let said = ''
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (chunk: string) => {
        said += chunk
        void appendFile(join(nats.dir, `${instance}.log`), chunk)
        const url = /"url":"(http:[^"]+)"/.exec(said)?.[1]
        if (url !== undefined) resolve(url)
      })
    child.once('exit', (code) => reject(new Error(`audit-sink ended with ${code}: ${said}`)))
  })
  const sink: Sink = {
    child,
    health,
    kill: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
    },
  }
  sinks.push(sink)
  return sink
}

const ready = async ({ health }: Sink): Promise<void> =>
  until(async () => (await fetch(`${health}/readyz`).catch(() => undefined))?.ok === true, 'audit-sink is ready')

async function until(condition: () => boolean | Promise<boolean>, what: string, ms = 60_000): Promise<void> {
  for (const end = Date.now() + ms; !(await condition()); await sleep(20))
    if (Date.now() > end) {
      const logs = (await readdir(nats.dir)).filter((name) => name.endsWith('.log'))
      const tails = await Promise.all(
        logs.map(async (name) => `${name}: ${(await readFile(join(nats.dir, name), 'utf8')).slice(-4000)}`),
      )
      throw new Error(`not within ${ms} ms: ${what}\n${tails.join('\n')}`)
    }
}

// ---- Sources -------------------------------------------------------------------------------------------------------

interface Published {
  readonly subject: string
  readonly body: string
}
let boots = 0

/** The messages of a new boot of a source. */
async function chain(count: number, kind: 'token-issuer' | 'gateway' = 'token-issuer'): Promise<Published[]> {
  const [id, boot] = [kind === 'gateway' ? 'g1' : 'i1', `b${boots++}`]
  const source = `${kind}/${id}/${boot}`
  const bodies = Array.from({ length: count }, (_, seq) =>
    signJws(auditKey, 'writ-audit+jwt', { source, seq, fill: 'x'.repeat(200) }),
  )
  return (await Promise.all(bodies)).map((body) => ({ subject: at.audit(kind, id, boot), body }))
}

/** Publishes in order, again until the stream takes it: as a source does. */
async function publish(messages: readonly Published[]): Promise<void> {
  for (const { subject, body } of messages) {
    const edge = at.idsOf('audit', subject)?.[0] === 'gateway'
    for (;;) {
      try {
        await (edge ? gateway : issuer).store(subject, body, { stream: edge ? 'AUDIT_EDGE' : 'AUDIT' })
        break
      } catch {
        await sleep(50)
      }
    }
  }
}

/** Believes an announcement as a source does: a key of audit-sink, endorsed by its anchor, and the log's checkpoint. */
async function believe(data: Uint8Array): Promise<void> {
  const { kid } = parseJws(data, SERVICE_BYTES_MAX)
  const endorsement = await issuer.lastBySubject('SIGNERS', at.registry('key', kid))
  if (endorsement === undefined) throw new Error(`no endorsement of ${kid}`)
  const endorsed = openMessage(keyMessage, endorsement.data)
  const anchor = nats.plane.trust.anchors['audit-sink']
  if (anchor === undefined) throw new Error('no anchor')
  verifyJws(endorsed.jws, anchor)
  const { jws, claims } = openMessage(sealedMessage, data)
  verifyJws(jws, endorsed.claims.jwk)
  openLogCheckpoint(claims.checkpoint, [parseVkey(nats.plane.logVkey)])
  for (const [source, seq] of Object.entries(claims.heads)) heads.set(source, Math.max(seq, heads.get(source) ?? -1))
}

const covered = (messages: readonly Published[]): boolean => {
  const { source, seq } = parseJws(messages.at(-1)?.body ?? '', AUDIT_BYTES_MAX).payload as {
    source: string
    seq: number
  }
  return (heads.get(source) ?? -1) >= seq
}

// ---- The log as an auditor reads it --------------------------------------------------------------------------------

async function readLog(): Promise<{ entries: string[]; origin: string }> {
  const [epoch] = (await readdir(join(store, DOMAIN, REGION))).filter((name) => !name.endsWith('.meta'))
  const dir = join(store, DOMAIN, REGION, epoch ?? '')
  const { origin, size, root } = openLogCheckpoint(await readFile(join(dir, 'checkpoint'), 'utf8'), [
    parseVkey(nats.plane.logVkey),
  ])
  const entries: Uint8Array[] = []
  for (let n = 0; n < fullTiles(0, size); n++)
    entries.push(...decodeBundle(await readFile(join(dir, bundlePath(n))), 256))
  const width = partialWidth(0, size)
  if (width > 0) entries.push(...decodeBundle(await readFile(join(dir, bundlePath(fullTiles(0, size), width))), width))
  expect(Buffer.compare(merkleRoot(entries.map(leafHash)), root)).toBe(0)
  return { entries: entries.map((entry) => Buffer.from(entry).toString()), origin }
}

async function expectExactlyOnce(wanted: readonly Published[]): Promise<void> {
  const { entries } = await readLog()
  expect(new Set(entries).size, 'no entry twice').toBe(entries.length)
  const there = new Set(entries)
  expect(
    wanted.filter(({ body }) => !there.has(body)),
    'nothing is missing',
  ).toEqual([])
}

async function expectOneHistory(): Promise<void> {
  const { entries, origin } = await readLog()
  const leaves = entries.map((entry) => leafHash(Buffer.from(entry)))
  for (const name of await readdir(join(store, `${origin}.meta/checkpoints`))) {
    const note = await readFile(join(store, `${origin}.meta/checkpoints`, name), 'utf8')
    const { size, root } = openLogCheckpoint(note, [parseVkey(nats.plane.logVkey)])
    const proof = await proveConsistency(size, leaves.length, async ({ start, end }) =>
      merkleRoot(leaves.slice(start, end)),
    )
    expect(
      verifyConsistency({ older: size, olderRoot: root, size: leaves.length, root: merkleRoot(leaves), proof }),
    ).toBe(true)
  }
}

/** How many messages a stream holds; many while it cannot be asked. */
const stored = (stream: 'AUDIT' | 'AUDIT_EDGE'): Promise<number> =>
  issuer.streamInfo(stream).then(
    ({ messages }) => messages,
    () => Number.POSITIVE_INFINITY,
  )

// ---- Promises ------------------------------------------------------------------------------------------------------

describe('audit-sink', () => {
  test('seals what services and gateways record, announces it, and empties the streams', async () => {
    const sink = await startSink('s0')
    const all = [await chain(40), await chain(40, 'gateway')]
    await Promise.all(all.map(publish))
    await until(() => all.every(covered), 'both sources hear their heads')
    await ready(sink)
    await expectExactlyOnce(all.flat())
    await until(async () => (await stored('AUDIT')) + (await stored('AUDIT_EDGE')) === 0, 'the streams are empty')
    const metrics = await (await fetch(`${sink.health}/metrics`)).text()
    expect(metrics).toMatch(/writ_log_entries\{[^}]*\} \d\d/)
    const { entries } = await readLog()
    const first = parseJws(entries[0] ?? '', AUDIT_BYTES_MAX).payload
    expect(first).toMatchObject({ iss: 'audit-sink', events: [{ type: 'log.opened' }] })
    expect(disbelieved).toEqual([])
  })

  test('takes no garbage into the log: it is counted, kept to look at, and holds nothing up', async () => {
    await startSink('s0')
    const [good] = [await chain(3)]
    const subject = good[0]?.subject ?? ''
    await publish([{ subject, body: 'garbage' }, ...good.slice(0, 2)])
    await publish([{ subject, body: (await chain(1))[0]?.body ?? '' }, ...good.slice(2)])
    await until(() => covered(good), 'what is good is sealed')
    await until(async () => (await readdir(join(nats.dir, 'state-s0', 'refused'))).length === 2, 'both are kept')
    const refusals = async () =>
      (await readLog()).entries.filter((entry) =>
        Buffer.from(entry.split('.')[1] ?? '', 'base64url').includes('messages.refused'),
      )
    await until(async () => (await refusals()).length > 0, 'they are counted in the log')
    await expectExactlyOnce(good)
    expect((await readLog()).entries).not.toContain('garbage')
  })

  test('messages without a byte, which gateways may send, hold up nothing that is delivered beside them', async () => {
    await startSink('s0')
    const good = await chain(40, 'gateway')
    const [subject, empty] = [good[0]?.subject ?? '', '']
    await publish(good.flatMap((one, n) => (n % 4 === 0 ? [{ subject, body: empty }, one] : [one])))
    await until(() => covered(good), 'what is good is sealed')
    await until(async () => (await stored('AUDIT_EDGE')) === 0, 'the stream is empty')
    await expectExactlyOnce(good)
  })

  test('G5: killed (-9) again and again in the middle, the log has every message exactly once', async () => {
    const all = [await chain(400), await chain(300), await chain(300, 'gateway')]
    const publishing = Promise.all(all.map(publish))
    for (const ms of [0, 40, 120, 300, 500, 80, 200]) {
      const sink = await startSink('s0')
      await until(
        async () =>
          (
            await fetch(`${sink.health}/metrics`)
              .then((response) => response.text())
              .catch(() => '')
          ).includes('writ_log_entries'),
        'it seals',
      )
      await sleep(ms)
      await sink.kill()
    }
    await publishing
    await startSink('s0')
    // What the last one sealed without living to say so is announced when the source sends it again.
    await until(async () => (await stored('AUDIT')) + (await stored('AUDIT_EDGE')) < 3, 'the streams are drained')
    await publish(all.map((one) => one.at(-1) as Published))
    await until(() => all.every(covered), 'every source hears its head')
    await expectExactlyOnce(all.flat())
    await expectOneHistory()
  })

  test('G5: two replicas, one of them paused, and nats-server killed: one history, everything exactly once', async () => {
    const [a] = [await startSink('s0'), await startSink('s1')]
    const all = [await chain(300), await chain(200, 'gateway')]
    const publishing = Promise.all(all.map(publish))
    for (let round = 0; round < 3; round++) {
      a.child.kill('SIGSTOP')
      await sleep(400)
      a.child.kill('SIGCONT')
      await sleep(200)
    }
    await nats.kill()
    await nats.start()
    await publishing
    await until(async () => (await stored('AUDIT')) + (await stored('AUDIT_EDGE')) < 3, 'the streams are drained')
    await publish(all.map((one) => one.at(-1) as Published))
    await until(() => all.every(covered), 'every source hears its head')
    await expectExactlyOnce(all.flat())
    await expectOneHistory()
  })

  test('G5: AUDIT lost and made anew: what sources send again enters once, nothing is acknowledged unsealed', async () => {
    await startSink('s0')
    const one = await chain(60)
    await publish(one.slice(0, 40))
    await until(() => covered(one.slice(0, 40)), 'the first part is sealed')
    const jsm = await jetstreamManager(nats.store)
    await jsm.streams.delete('AUDIT')
    await ensureStreams(nats.store, { region: REGION })
    await publish(one.slice(20))
    await until(() => covered(one), 'the rest is sealed')
    await expectExactlyOnce(one)
    await expectOneHistory()
  })

  test('stops gracefully: finishes the seal in hand, and its own end is the last entry of its chain', async () => {
    const sink = await startSink('s2', { WRIT_SEAL_MS: '5000' })
    await ready(sink)
    const one = await chain(10)
    await publish(one)
    sink.child.kill('SIGTERM')
    const [code] = (await once(sink.child, 'exit')) as [number]
    expect(code).toBe(0)
    await expectExactlyOnce(one)
    const own = (await readLog()).entries
      .map((entry) => parseJws(entry, AUDIT_BYTES_MAX).payload as { source: string; events?: { type: string }[] })
      .filter(({ source }) => source.startsWith('audit-sink/s2/'))
    expect(own.at(-1)?.events?.at(-1)?.type).toBe('source.stopped')
  })

  test('refuses to start with a log key that is not pinned', async () => {
    const anchor = planePaths(nats.plane.dir).anchorKey('audit-sink')
    const other = await startSink('s3', { WRIT_LOG_DOMAIN: 'other.example' })
    const [code] = (await once(other.child, 'exit')) as [number]
    expect(code).toBe(1)
    const p256 = await startSink('s3', { WRIT_LOG_KEY: `file:${anchor}` })
    expect(((await once(p256.child, 'exit')) as [number])[0]).toBe(1)
  })
})
