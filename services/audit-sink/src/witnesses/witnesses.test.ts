import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  formatVkey,
  noteSignerOf,
  openCheckpoint,
  openNote,
  parseTlogPolicy,
  Sealer,
  storeReader,
  type TlogPolicy,
  verifyLog,
} from '@writ/audit'
import { ephemeralSigner, generateJwk, type Signer, signerOf, signJws } from '@writ/keys'
import { type Listening, serveWitness, Witness } from '@writ/witness'
import { DirectoryStore } from '@writ/worm-store'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Asked, WitnessClient } from './witness-client.ts'
import { witnessed } from './witnessed-signer.ts'

// Logs of real sealers in a directory, witnesses over HTTP.

const NAME = { domain: 'audit.example', region: 'r-1' }
const ORIGIN = 'audit.example/r-1/2026h2'
const logKey = signerOf(generateJwk('EdDSA'))
const own = noteSignerOf(logKey)
const sourceKey = ephemeralSigner()

let dir: string
let monotonicMs: number
const toClose: AsyncDisposable[] = []
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'writ-witnesses-'))
  monotonicMs = 0
})
afterEach(async () => {
  for (const each of toClose.splice(0)) await each[Symbol.asyncDispose]()
  await rm(dir, { recursive: true, force: true })
})

interface Running {
  readonly witness: Witness
  readonly listening: Listening
  readonly client: WitnessClient
  readonly line: string
}

async function start(name: string, signer: Signer = signerOf(generateJwk('EdDSA'))): Promise<Running> {
  const nowSeconds = () => 1_795_000_000
  const witness = new Witness({
    name: `${name}.example/w`,
    signer,
    logs: [own.verifier('audit.example/r-1')],
    dir: join(dir, name),
    nowSeconds,
  })
  const listening = await serveWitness(witness, { host: '127.0.0.1', port: 0 })
  toClose.push(listening)
  return { witness, listening, ...at(name, witness, listening.url) }
}

function at(name: string, { verifier }: Witness, url: string, timeoutMs = 60_000): Pick<Running, 'client' | 'line'> {
  const client = new WitnessClient({ witness: { name, verifier, url }, timeoutMs, monotonicMs: () => monotonicMs })
  return { client, line: `witness ${name} ${formatVkey(verifier)} ${url}` }
}

/** A server that answers as it likes in a witness's place. */
async function impostor(
  name: string,
  like: Running,
  listener: RequestListener,
  timeoutMs?: number,
): Promise<Pick<Running, 'client' | 'line'>> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  toClose.push({
    [Symbol.asyncDispose]: () => {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  })
  return at(name, like.witness, `http://127.0.0.1:${(server.address() as AddressInfo).port}`, timeoutMs)
}

/** A log that seals as many entries as it is told, cosigned by clients. */
async function openLog(folder: string, clients: readonly WitnessClient[], answers: Asked[] = []) {
  const store = await DirectoryStore.open(join(dir, folder))
  const source = `token-issuer/${folder}/b1`
  const bodies: string[] = []
  const stream = {
    name: 'AUDIT',
    identity: async () => ({ created: 'c', lastSeq: bodies.length }),
    read: async (from: number) =>
      bodies.slice(from - 1).map((body, i) => ({ seq: from + i, source, body: Buffer.from(body) })),
  }
  const sealer = await Sealer.open({
    store,
    name: NAME,
    signer: witnessed(own, clients, { store, asked: (_, answer) => answers.push(answer) }),
    streams: [stream],
    retention: { fullMs: 1e10, shortMs: 1e9 },
    now: () => new Date('2026-11-01T00:00:00Z'),
    opening: (opening) =>
      signJws(sourceKey, 'writ-audit+jwt', { source: 'audit-sink/s1/b1', seq: 0, opening: JSON.stringify(opening) }),
  })
  const grow = async (count: number): Promise<string> => {
    for (let i = 0; i < count; i++)
      bodies.push(await signJws(sourceKey, 'writ-audit+jwt', { source, seq: bodies.length, i, folder }))
    while (sealer.tree.size < bodies.length + 1) await sealer.seal()
    return await readFile(join(dir, folder, ORIGIN, 'checkpoint'), 'utf8')
  }
  return { store, grow, answers }
}

const policyOf = (...lines: readonly string[]): TlogPolicy =>
  parseTlogPolicy([`log ${formatVkey(own.verifier(ORIGIN))}`, ...lines].join('\n'))
/** Of these logs only the tree is genuine: what else verify finds is not what is looked at. */
async function witnessing(store: DirectoryStore, policy: TlogPolicy) {
  const pins = { operators: {}, anchors: {} }
  const { witnessed: found, findings } = await verifyLog({
    reader: storeReader(store),
    vkeys: [own.verifier(ORIGIN)],
    pins,
    policy,
  })
  return { found, missing: findings.filter(({ verdict }) => verdict === 'not_witnessed') }
}

describe('a log with witnesses', { timeout: 60_000 }, () => {
  test('carries their cosignatures in every checkpoint, as it grows over tiles', async () => {
    const [a, b] = [await start('a'), await start('b')]
    const log = await openLog('log', [a.client, b.client])
    for (const count of [3, 300, 1, 500]) {
      const note = await log.grow(count)
      expect(openNote(note, [own.verifier(ORIGIN), a.witness.verifier, b.witness.verifier]).verifiedBy).toHaveLength(3)
    }
    expect(log.answers.every(({ outcome }) => outcome === 'cosigned')).toBe(true)
    const policy = policyOf(a.line, b.line, 'group both all a b', 'quorum both')
    expect(await witnessing(log.store, policy)).toMatchObject({ found: { quorum: 'both', size: 805 }, missing: [] })
  })

  test('is cosigned on by a witness that was at another size than the writer remembers', async () => {
    const a = await start('a')
    await (await openLog('log', [a.client])).grow(10)
    const restarted = at('a', a.witness, a.listening.url)
    const log = await openLog('log', [restarted.client])
    await log.grow(20)
    expect(log.answers.map(({ outcome }) => outcome)).toEqual(['cosigned'])
  })

  test('seals on without a witness that is away, and asks it again after a while', async () => {
    const a = await start('a')
    await a.listening[Symbol.asyncDispose]()
    const log = await openLog('log', [a.client])
    for (const count of [1, 1]) await log.grow(count)
    expect(log.answers.map(({ outcome }) => outcome)).toEqual(['failed', 'skipped', 'skipped'])
    monotonicMs += 10_000
    await log.grow(1)
    expect(log.answers.at(-1)?.outcome).toBe('failed')
    expect(await witnessing(log.store, policyOf(a.line, 'quorum a'))).toMatchObject({
      found: { size: 0 },
      missing: [{}],
    })
  })

  test('tells up to where it was witnessed, when a witness went away', async () => {
    const a = await start('a')
    const log = await openLog('log', [a.client])
    await log.grow(10)
    await a.listening[Symbol.asyncDispose]()
    await log.grow(10)
    const { found, missing } = await witnessing(log.store, policyOf(a.line, 'quorum a'))
    expect(found).toMatchObject({ size: 11, by: [{ name: 'a.example/w', timeSeconds: 1_795_000_000 }] })
    expect(missing).toHaveLength(1)
  })

  test('whose key signs a second history gets no cosignature for it, and its writer hears of it', async () => {
    const a = await start('a')
    const first = await openLog('first', [a.client])
    await first.grow(20)
    const second = await openLog('second', [at('a', a.witness, a.listening.url).client])
    await second.grow(20)
    expect(second.answers.map(({ outcome }) => outcome)).toContain('forked')
    const policy = policyOf(a.line, 'quorum a')
    expect(await witnessing(first.store, policy)).toMatchObject({ found: { size: 21 }, missing: [] })
    expect((await witnessing(second.store, policy)).missing).toHaveLength(1)
  })

  test('whose second history is longer than what a witness cosigned is called forked too', async () => {
    const a = await start('a')
    await (await openLog('first', [a.client])).grow(20)
    const second = await openLog('second', [at('a', a.witness, a.listening.url).client])
    await second.grow(40)
    expect(second.answers.map(({ outcome }) => outcome)).toContain('forked')
  })

  test('that was put back is behind its witness, which is told', async () => {
    const a = await start('a')
    await (await openLog('first', [a.client])).grow(20)
    const second = await openLog('second', [at('a', a.witness, a.listening.url).client])
    await second.grow(2)
    expect(second.answers.map(({ outcome }) => outcome)).toContain('ahead')
  })

  test.each<[string, RequestListener]>([
    ['answers with garbage', (_, response) => response.end('— a.example/w AAAA\n')],
    [
      'signs with another key',
      (_, response) => response.end(`— a.example/w ${Buffer.alloc(76, 1).toString('base64')}\n`),
    ],
    ['answers nothing', (_, response) => response.end()],
    ['never answers', () => {}],
    ['redirects', (_, response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end()],
    [
      'says another size each time',
      (_, response) => response.writeHead(409).end(`${Math.floor(performance.now()) % 3}\n`),
    ],
    ['is broken', (_, response) => response.writeHead(500).end()],
  ])('is not hurt by a witness that %s', async (_, listener) => {
    const a = await start('a')
    const bad = await impostor('a', a, listener, 500)
    const log = await openLog('log', [bad.client])
    const note = await log.grow(5)
    expect(openCheckpoint(note, [own.verifier(ORIGIN)]).size).toBe(6)
    expect(note.split('\n').filter((line) => line.startsWith('— '))).toHaveLength(1)
    expect(log.answers.some(({ outcome }) => outcome === 'cosigned')).toBe(false)
  })

  test('passes on nothing but the witness’s own line', async () => {
    const a = await start('a')
    const padded = await impostor('a', a, async (request, response) => {
      const parts: Buffer[] = []
      for await (const part of request as AsyncIterable<Buffer>) parts.push(part)
      const answer = await fetch(`${a.listening.url}/add-checkpoint`, { method: 'POST', body: Buffer.concat(parts) })
      const own = await answer.text()
      const more = (name: string, id: number) => `— ${name} ${Buffer.alloc(76, id).toString('base64')}\n`
      const under = Array.from({ length: 20 }, (_, id) => more('a.example/w', id))
      response
        .writeHead(answer.status)
        .end(`${under.join('')}${own}${own}${more('evil.example/w', 1)}${under.join('')}`)
    })
    const log = await openLog('log', [padded.client])
    for (const count of [5, 5]) {
      const note = await log.grow(count)
      expect(note.split('\n').filter((line) => line.startsWith('— '))).toHaveLength(2)
      expect(openNote(note, [own.verifier(ORIGIN), a.witness.verifier]).verifiedBy).toHaveLength(2)
    }
  })

  test('is not called witnessed by a policy of other logs, or by lines that do not verify', async () => {
    const a = await start('a')
    const log = await openLog('log', [a.client])
    await log.grow(5)
    const other = noteSignerOf(signerOf(generateJwk('EdDSA'))).verifier(ORIGIN)
    const wrong = parseTlogPolicy([`log ${formatVkey(other)}`, 'quorum none'].join('\n'))
    expect((await witnessing(log.store, wrong)).missing).toHaveLength(1)
    const stranger = await start('s')
    expect((await witnessing(log.store, policyOf(stranger.line, 'quorum s'))).missing).toHaveLength(1)
  })
})
