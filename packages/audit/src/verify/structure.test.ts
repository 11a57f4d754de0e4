import { createHash } from 'node:crypto'
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { formatCheckpoint } from '../core/checkpoint.ts'
import { append, EMPTY_EDGE, edgeRoot } from '../core/edge.ts'
import { formatNote } from '../core/note.ts'
import { decodeBundle, encodeBundle } from '../core/tiles.ts'
import { heartbeats, keys, ORIGIN, pins, plant, seal, subjectKeys, vkeys } from '../testing/plant-log.ts'
import { directoryReader } from './log-reader.ts'
import type { Verdict } from './verdicts.ts'
import { type VerifyOptions, verifyLog } from './verify-log.ts'

// Two logs are made once; each test spoils a copy.

let made: string
let dir: string
beforeAll(async () => {
  made = await mkdtemp(join(tmpdir(), 'writ-structure-'))
  const small = await plant()
  await seal(join(made, 'small'), small.opening, [small.messages.slice(0, 8), small.messages.slice(8)])
  const large = await plant()
  const more = await heartbeats(large.sources['token-issuer'] as never, 600)
  const batches = [large.messages, more.slice(0, 100), more.slice(100, 110), more.slice(110, 590), more.slice(590)]
  await seal(join(made, 'large'), large.opening, batches)
}, 60_000)
afterAll(() => rm(made, { recursive: true, force: true }))
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'writ-spoilt-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

const verify = (over: Partial<VerifyOptions> = {}) =>
  verifyLog({ reader: directoryReader(dir), vkeys, pins, complete: true, ...over })

async function verdicts(over: Partial<VerifyOptions> = {}): Promise<Verdict[]> {
  const { ok, findings } = await verify(over)
  expect(ok).toBe(findings.length === 0)
  return [...new Set(findings.map(({ verdict }) => verdict))].sort()
}

const use = (name: 'small' | 'large') => cp(join(made, name), dir, { recursive: true })
const file = (path: string) => join(dir, ORIGIN, path)
const meta = (path: string) => join(dir, `${ORIGIN}.meta`, path)

async function edit(path: string, change: (bytes: Buffer) => Uint8Array | string): Promise<void> {
  await chmod(path, 0o600)
  await writeFile(path, change(await readFile(path)))
}

function flipped(bytes: Buffer, at: number, bit = 0): Buffer {
  const copy = Buffer.from(bytes)
  copy[at] = (copy[at] as number) ^ (1 << bit)
  return copy
}

async function filesOf(root: string): Promise<string[]> {
  const found = await readdir(root, { recursive: true, withFileTypes: true })
  return found
    .filter((item) => item.isFile())
    .map((item) => join(item.parentPath, item.name))
    .sort()
}

// ---- What holds ----------------------------------------------------------------------------------------------------

test('a log of several tiles verifies, also without the versions that the store keeps', async () => {
  await use('large')
  expect(await verify()).toMatchObject({ ok: true, size: 620, seals: 6, findings: [] })
  await rm(join(dir, '.versions'), { recursive: true })
  expect(await verify()).toMatchObject({ ok: true })
})

test('the root is the one that twenty lines of other code compute', async () => {
  await use('large')
  const sha = (...parts: Uint8Array[]) => createHash('sha256').update(Buffer.concat(parts)).digest()
  const tree = (leaves: Uint8Array[]): Uint8Array => {
    if (leaves.length === 1) return sha(Uint8Array.of(0), leaves[0] as Uint8Array)
    let half = 1
    while (half * 2 < leaves.length) half *= 2
    return sha(Uint8Array.of(1), tree(leaves.slice(0, half)), tree(leaves.slice(half)))
  }
  const leaves: Uint8Array[] = []
  for (const path of ['tile/entries/000', 'tile/entries/001', 'tile/entries/002.p/108']) {
    const bytes = await readFile(file(path))
    for (let at = 0; at < bytes.length; at += 2 + bytes.readUInt16BE(at))
      leaves.push(bytes.subarray(at + 2, at + 2 + bytes.readUInt16BE(at)))
  }
  expect(Buffer.from(tree(leaves)).toString('base64')).toBe((await verify()).root)
})

test('a log whose last seal was not finished is whole up to the one before, unless nothing may be on its way', async () => {
  await use('small')
  const [last] = (await readdir(meta('checkpoints'))).sort().toReversed()
  const [, before] = (await readdir(meta('checkpoints'))).sort().toReversed()
  // Killed between the copy and `checkpoint`, then between the reservation and everything else.
  await edit(file('checkpoint'), () => '')
  await cp(meta(`checkpoints/${before}`), file('checkpoint'))
  await rm(join(dir, '.versions'), { recursive: true })
  expect(await verify()).toMatchObject({ ok: true, size: Number(last) })
  await rm(meta(`checkpoints/${last}`))
  expect(await verify({ complete: false })).toMatchObject({ ok: true, size: Number(before), waiting: 1 })
  // Then it was finished, and what it added is withheld.
  const { findings, ...found } = await verify({ complete: true })
  expect(found).toMatchObject({ ok: false, size: Number(before), waiting: 0 })
  expect(findings).toMatchObject([
    { verdict: 'checkpoint_missing', where: { object: `${ORIGIN}.meta/checkpoints/${last}` } },
  ])
})

// ---- What does not -------------------------------------------------------------------------------------------------

describe('names what was done to', () => {
  test('an entry', async () => {
    await use('large')
    await edit(file('tile/entries/001'), (bytes) => flipped(bytes, 2000))
    expect(await verdicts()).toEqual(['entry_altered', 'source_gap'])
    const { findings } = await verify()
    const index = findings.find(({ verdict }) => verdict === 'entry_altered')?.where.leaf as number
    expect(index).toBeGreaterThanOrEqual(256)
    expect(index).toBeLessThan(512)
  })

  test('the length of an entry', async () => {
    await use('large')
    await edit(file('tile/entries/001'), (bytes) => flipped(bytes, 0))
    expect(await verdicts()).toEqual(['entry_altered', 'source_gap'])
  })

  test('a bundle that was cut, or lost', async () => {
    await use('large')
    await edit(file('tile/entries/001'), (bytes) => bytes.subarray(0, -1))
    expect(await verdicts()).toEqual(['entry_altered', 'source_gap'])
    await rm(file('tile/entries/001'))
    expect(await verdicts()).toEqual(['entry_missing', 'source_gap'])
  })

  test('the last, partial bundle that was lost', async () => {
    await use('large')
    await rm(file('tile/entries/002.p/108'))
    expect(await verdicts()).toEqual(['entry_missing'])
  })

  test.each(['tile/0/000', 'tile/0/001', 'tile/0/002.p/108', 'tile/1/000.p/2'])('the tile %s', async (path) => {
    await use('large')
    const whole = await readFile(file(path))
    await edit(file(path), (bytes) => flipped(bytes, 33))
    expect(await verdicts()).toEqual(['tile_altered'])
    await edit(file(path), () => whole.subarray(0, -1))
    expect(await verdicts()).toEqual(['tile_altered'])
    await rm(file(path))
    expect(await verdicts()).toEqual(['tile_missing'])
  })

  test('an earlier copy of a tile or bundle', async () => {
    await use('large')
    const partials = (await filesOf(file('tile'))).filter(
      (path) => /\.p\/\d+$/.test(path) && !/(108|1\/000\.p\/2)$/.test(path),
    )
    expect(partials.length).toBeGreaterThan(4)
    for (const path of partials) {
      const whole = await readFile(path)
      await edit(path, (bytes) => flipped(bytes, bytes.length - 1))
      expect(await verdicts(), path).toEqual(['tile_altered'])
      await edit(path, () => whole)
    }
  })

  test('a checkpoint that another key signed', async () => {
    await use('small')
    const note = (await readFile(file('checkpoint'))).toString()
    const text = note.slice(0, note.indexOf('\n\n') + 1)
    const forged = formatNote(text, [
      { verifier: keys.otherLog.verifier(ORIGIN), signature: await keys.otherLog.sign(text) },
    ])
    await edit(file('checkpoint'), () => forged)
    await edit(meta(`checkpoints/${String(20).padStart(20, '0')}`), () => forged)
    expect(await verdicts()).toContain('checkpoint_forged')
  })

  test('checkpoints that were taken away', async () => {
    await use('large')
    await rm(file('checkpoint'))
    expect(await verdicts()).toEqual(['checkpoint_missing'])
    await use('large')
    const [, second] = (await readdir(meta('checkpoints'))).sort()
    await rm(meta(`checkpoints/${second}`))
    expect(await verdicts()).toEqual(['checkpoint_missing'])
  })

  test('a checkpoint that was turned back', async () => {
    await use('large')
    const [first] = (await readdir(meta('checkpoints'))).sort()
    await edit(file('checkpoint'), () => '')
    await cp(meta(`checkpoints/${first}`), file('checkpoint'))
    expect(await verdicts()).toEqual(['checkpoint_rolled_back'])
  })

  test('a log that was turned back whole, to who kept a checkpoint or to the versions', async () => {
    await use('large')
    const known = [await readFile(file('checkpoint'))]
    const copies = (await readdir(meta('checkpoints'))).sort()
    for (const name of copies.slice(3)) await rm(meta(`checkpoints/${name}`))
    for (const name of (await readdir(meta('seals'))).sort().slice(3)) await rm(meta(`seals/${name}`))
    await edit(file('checkpoint'), () => '')
    await cp(meta(`checkpoints/${copies[2]}`), file('checkpoint'))
    expect(await verdicts()).toEqual(['checkpoint_rolled_back'])
    await rm(join(dir, '.versions'), { recursive: true })
    expect(await verdicts()).toEqual([])
    expect(await verdicts({ known })).toEqual(['checkpoint_rolled_back'])
  })

  test('seals and staged batches', async () => {
    await use('large')
    const names = (await readdir(meta('seals'))).sort()
    for (const name of names) {
      const whole = await readFile(meta(`seals/${name}`))
      await rm(meta(`seals/${name}`))
      expect(await verdicts(), name).toContain('seal_missing')
      await writeFile(meta(`seals/${name}`), whole)
    }
    const [batch] = await readdir(meta('staging'))
    await edit(meta(`staging/${batch}`), (bytes) => flipped(bytes, 9))
    expect(await verdicts()).toEqual(['staging_altered'])
    await rm(meta('staging'), { recursive: true })
    expect(await verdicts()).toEqual([])
    await rm(meta('seals'), { recursive: true })
    expect(await verdicts()).toEqual(['seal_missing'])
  })

  test('the key beside the log', async () => {
    await use('small')
    await edit(meta('log.vkey'), (bytes) => flipped(bytes, bytes.length - 5))
    expect(await verdicts()).toEqual(['vkey_altered'])
  })
})

describe('a history that was written anew', () => {
  /** Drops an entry and makes every tile again, as the owner of the disk can. */
  async function rebuilt(drop: number, sign?: (text: string) => Promise<string>): Promise<void> {
    const size = 20
    const entries = decodeBundle(await readFile(file(`tile/entries/000.p/${size}`)), size)
    const kept = entries.filter((_, at) => at !== drop)
    await rm(file('tile'), { recursive: true })
    const { edge, objects } = append(EMPTY_EDGE, kept)
    for (const { path, bytes } of objects) {
      await mkdir(join(file(path), '..'), { recursive: true })
      await writeFile(file(path), bytes)
    }
    if (sign === undefined) return
    const note = await sign(
      formatCheckpoint({ origin: ORIGIN, size: kept.length, root: edgeRoot(edge), extensions: [] }),
    )
    await edit(file('checkpoint'), () => note)
    await rm(`${join(dir, ORIGIN)}.meta`, { recursive: true })
    await rm(join(dir, '.versions'), { recursive: true, force: true })
  }
  const signedBy = (signer: typeof keys.log) => async (text: string) =>
    formatNote(text, [{ verifier: signer.verifier(ORIGIN), signature: await signer.sign(text) }])

  test('under another key is no history at all', async () => {
    await use('small')
    await rebuilt(12, signedBy(keys.otherLog))
    expect(await verdicts()).toEqual(['checkpoint_forged', 'seal_missing'])
  })

  test('without a key does not fit what was signed', async () => {
    await use('small')
    await rebuilt(12)
    expect(await verdicts()).toContain('entry_missing')
  })

  test('with the log’s own key shows in the seals, the chains and the evidence', async () => {
    await use('small')
    await rebuilt(12, signedBy(keys.log))
    expect(await verdicts()).toEqual(['evidence_missing', 'seal_missing', 'source_gap'])
  })

  test('entries exchanged in place, tiles made again, do not fit what was signed', async () => {
    await use('small')
    const path = 'tile/entries/000.p/20'
    const entries = decodeBundle(await readFile(file(path)), 20)
    ;[entries[10], entries[11]] = [entries[11] as Uint8Array, entries[10] as Uint8Array]
    await edit(file(path), () => encodeBundle(entries))
    const tile = append(EMPTY_EDGE, entries).objects.find((object) => object.path === 'tile/0/000.p/20')
    await edit(file('tile/0/000.p/20'), () => tile?.bytes as Uint8Array)
    const { findings } = await verify()
    expect(findings).toMatchObject([{ verdict: 'entry_altered', where: { leaf: 9 } }])
  })

  test('two signed checkpoints of one size are a fork', async () => {
    await use('small')
    const text = formatCheckpoint({ origin: ORIGIN, size: 20, root: Buffer.alloc(32, 7), extensions: [] })
    const note = await signedBy(keys.log)(text)
    const whole = await readFile(file('checkpoint'))
    await edit(file('checkpoint'), () => note)
    expect(await verdicts()).toEqual(['history_forked'])
    await edit(file('checkpoint'), () => whole)
    expect(await verdicts({ known: [Buffer.from(note)] })).toEqual(['history_forked'])
  })
})

// ---- Anything ------------------------------------------------------------------------------------------------------

test('any flipped bit in any file of the log is found', { timeout: 120_000 }, async () => {
  await use('small')
  const files = await filesOf(dir)
  expect(files.length).toBeGreaterThanOrEqual(20)
  const flips = files.flatMap((path) => [0, 0.37, 0.999].map((part) => ({ path, part, bit: 0 })))
  const place = fc.record({
    path: fc.constantFrom(...files),
    part: fc.double({ min: 0, max: 0.9999999, noNaN: true }),
    bit: fc.nat(7),
  })
  await fc.assert(
    fc.asyncProperty(place, async ({ path, part, bit }) => {
      const whole = await readFile(path)
      await edit(path, (bytes) => flipped(bytes, Math.floor(part * bytes.length), bit))
      const { ok, findings } = await verify()
      await edit(path, () => whole)
      expect(ok, `${path} at ${part}`).toBe(false)
      expect(findings.length).toBeGreaterThan(0)
    }),
    { numRuns: 100 + flips.length, examples: flips.map((flip): [typeof flip] => [flip]) },
  )
})

test('subject keys change nothing about the structure', async () => {
  await use('small')
  expect(await verify({ subjectKeys })).toMatchObject({ ok: true, sealed: 0 })
})
