import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ephemeralSigner, generateJwk, parseJws, type Signer, signerOf, signJws } from '@writ/keys'
import { DirectoryStore, type WormStore } from '@writ/worm-store'
import { afterEach, beforeEach, expect } from 'vitest'
import { openCheckpoint } from '../core/checkpoint.ts'
import { leafHash, merkleRoot } from '../core/merkle.ts'
import { proveConsistency, verifyConsistency } from '../core/merkle-proof.ts'
import { bundlePath, decodeBundle, fullTiles, partialWidth } from '../core/tiles.ts'
import type { AuditStream, StoredMessage } from '../log/audit-stream.ts'
import { type NoteSigner, noteSignerOf } from '../log/note-signer.ts'
import { type Opening, Sealer, type SealOutcome } from '../log/sealer.ts'

// A store in a temporary directory for each test, streams whose content the test decides, and the log as an outsider reads it.

export const NAME = { domain: 'audit.example', region: 'eusc-de-east-1' }
export const ORIGIN = 'audit.example/eusc-de-east-1/2026h2'
export const noteSigner: NoteSigner = noteSignerOf(signerOf(generateJwk('EdDSA')))
export const auditKey: Signer = ephemeralSigner()

/** Of the running test. */
export let dir: string
let now: Date
export const clock = {
  now: (): Date => now,
  set: (iso: string): void => {
    now = new Date(iso)
  },
}
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'writ-seal-'))
  clock.set('2026-11-01T00:00:00Z')
})
afterEach(() => rm(dir, { recursive: true, force: true }))

// ---- Streams and messages ------------------------------------------------------------------------------------------

/** A message as its source publishes it. */
export interface Published {
  readonly source: string
  readonly body: string
}

/** A stream as the port describes it, whose content the test decides. */
export class Stream implements AuditStream {
  readonly name: string
  #created = '2026-01-01'
  #last = 0
  #messages: StoredMessage[] = []

  constructor(name: string) {
    this.name = name
  }

  store(...bodies: readonly Published[]): void {
    for (const { source, body } of bodies) this.#messages.push({ seq: ++this.#last, source, body: Buffer.from(body) })
  }

  /** What acknowledging does: messages up to here are gone. */
  acknowledge({ positions }: SealOutcome): void {
    const position = positions[this.name]
    if (position?.created === this.#created) this.#messages = this.#messages.filter(({ seq }) => seq > position.seq)
  }

  /** The stream as it is after it was lost and made anew. */
  recreate(created: string): void {
    this.#created = created
    this.setBack(0)
  }

  /** The stream as a backup had it. */
  setBack(last: number): void {
    this.#last = last
    this.#messages = this.#messages.filter(({ seq }) => seq <= last)
  }

  async identity(): Promise<{ created: string; lastSeq: number }> {
    return { created: this.#created, lastSeq: this.#last }
  }

  async read(from: number, { countMax }: { countMax: number }): Promise<StoredMessage[]> {
    return this.#messages.filter(({ seq }) => seq >= from).slice(0, countMax)
  }
}

export async function message(source: string, seq: number, text = `${seq}`): Promise<Published> {
  return { source, body: await signJws(auditKey, 'writ-audit+jwt', { source, seq, text }) }
}
export async function messages(source: string, from: number, count: number): Promise<Published[]> {
  return await Promise.all(Array.from({ length: count }, (_, at) => message(source, from + at)))
}

let writers = 0
export function opener(seen: Opening[] = []) {
  const own = `audit-sink/s${writers++}/b1`
  let seq = 0
  return async (opening: Opening): Promise<string> => {
    seen.push(opening)
    return (await message(own, seq++, JSON.stringify(opening))).body
  }
}

export interface Setup {
  readonly streams?: readonly AuditStream[]
  readonly store?: WormStore
  readonly opening?: (opening: Opening) => Promise<string>
}
export async function openSealer({ streams = [], store, opening = opener() }: Setup): Promise<Sealer> {
  return await Sealer.open({
    store: store ?? (await DirectoryStore.open(dir)),
    name: NAME,
    signer: noteSigner,
    streams,
    retention: { fullMs: 190 * 86_400_000, shortMs: 30 * 86_400_000 },
    now: clock.now,
    opening,
  })
}

// ---- The log as an outsider reads it -------------------------------------------------------------------------------

export const file = (path: string): Promise<Buffer> => readFile(join(dir, path))

/** Entries of the log, after its checkpoint's signature and root have been checked against them. */
export async function readLog(
  origin = ORIGIN,
): Promise<{ entries: string[]; opened: { source: string; seq: number }[] }> {
  const { size, root } = openCheckpoint((await file(`${origin}/checkpoint`)).toString(), [noteSigner.verifier(origin)])
  const entries: Uint8Array[] = []
  for (let n = 0; n < fullTiles(0, size); n++)
    entries.push(...decodeBundle(await file(`${origin}/${bundlePath(n)}`), 256))
  const width = partialWidth(0, size)
  if (width > 0) entries.push(...decodeBundle(await file(`${origin}/${bundlePath(fullTiles(0, size), width)}`), width))
  expect(Buffer.compare(merkleRoot(entries.map(leafHash)), root), 'the root is that of the entries').toBe(0)
  const compact = entries.map((entry) => Buffer.from(entry).toString())
  const opened = compact.map((entry) => parseJws(entry, 64_000).payload as { source: string; seq: number })
  return { entries: compact, opened }
}

/** Every checkpoint ever signed is the beginning of the log, so all are pairwise consistent. */
export async function expectOneHistory(origin = ORIGIN): Promise<void> {
  const { entries } = await readLog(origin)
  const leaves = entries.map((entry) => leafHash(Buffer.from(entry)))
  const copies = (await readdir(join(dir, `${origin}.meta/checkpoints`))).map(
    (name) => `${origin}.meta/checkpoints/${name}`,
  )
  const shown = (await readdir(join(dir, `.versions/${origin}/checkpoint`))).map(
    (name) => `.versions/${origin}/checkpoint/${name}`,
  )
  let last = 0
  for (const path of [...copies, ...shown]) {
    const { size, root } = openCheckpoint((await file(path)).toString(), [noteSigner.verifier(origin)])
    const proof = await proveConsistency(size, leaves.length, async ({ start, end }) =>
      merkleRoot(leaves.slice(start, end)),
    )
    expect(
      verifyConsistency({ older: size, olderRoot: root, size: leaves.length, root: merkleRoot(leaves), proof }),
      path,
    ).toBe(true)
    if (path.startsWith('.versions')) {
      expect(size, 'the checkpoint never turns back').toBeGreaterThanOrEqual(last)
      last = size
    }
  }
}

/** Exactly these messages, each once, beside the writers' own. */
export async function expectExactlyOnce(wanted: readonly Published[], origin = ORIGIN): Promise<void> {
  const { entries, opened } = await readLog(origin)
  const others = entries.filter((_, at) => !opened[at]?.source.startsWith('audit-sink/'))
  expect(others.toSorted()).toEqual(wanted.map(({ body }) => body).toSorted())
  expect(new Set(entries).size).toBe(entries.length)
}

export const headsOf = ({ heads }: SealOutcome) => Object.fromEntries(heads)

// ---- Faults ---
export type Fault = 'lost' | 'kept, reported lost' | 'killed right after'

/** Fails the k-th write of a store in one of three ways. After `killed` nothing answers any more, as in a process that is gone. */
export function faulty(store: WormStore, at: number, fault: Fault): { store: WormStore; writes: () => number } {
  let writes = 0
  let dead = false
  const failure = () => new Error(`injected: ${fault}`)
  const guard = async <T>(body: () => Promise<T>): Promise<T> => {
    if (dead) throw failure()
    return await body()
  }
  const write = async <T>(body: () => Promise<T>): Promise<T> =>
    await guard(async () => {
      writes++
      if (writes !== at) return await body()
      if (fault === 'lost') throw failure()
      await body()
      if (fault === 'killed right after') dead = true
      throw failure()
    })
  const wrapped: WormStore = {
    name: store.name,
    put: (...args) => write(() => store.put(...args)),
    replace: (...args) => write(() => store.replace(...args)),
    retain: (...args) => write(() => store.retain(...args)),
    remove: (...args) => write(() => store.remove(...args)),
    hold: (...args) => write(() => store.hold(...args)),
    held: (...args) => guard(() => store.held(...args)),
    get: (...args) => guard(() => store.get(...args)),
    current: (...args) => guard(() => store.current(...args)),
    list: (prefix) => store.list(prefix),
    versions: (key) => store.versions(key),
  }
  return { store: wrapped, writes: () => writes }
}
