import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { directoryReader, EvidenceLog, formatVkey, type NewEvent, writeSubjectKeysFile } from '@writ/audit'
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  heartbeats,
  ORIGIN,
  pins,
  plant,
  seal,
  subjectKeys,
  type TestSource,
  vkeys,
} from '../../../audit/src/testing/plant-log.ts'
import { runCli } from '../program.ts'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

type Row = Readonly<Record<string, unknown>>

const PSEUDONYM = 'p:AAAAAAAAAAAAAAAAAAAAAA'

let made: string
let store: string
let dir: string
let pinned: string[]
let keysFile: string
beforeAll(async () => {
  made = await mkdtemp(join(tmpdir(), 'writ-export-log-'))
  store = join(made, 'store')
  const named = (events: NewEvent[]) => events.map((event) => ({ ...event, user: PSEUDONYM }))
  const planted = await plant({ edit: { intent: named, decision: named } })
  const more = await heartbeats(planted.sources['policy-evaluator'] as TestSource, 250)
  await seal(store, planted.opening, [planted.messages, more])
  pinned = ['--trust', join(made, 'trust.json')]
  await writeFile(join(made, 'trust.json'), JSON.stringify({ ...pins, log_vkeys: vkeys.map(formatVkey) }))
  keysFile = join(made, 'keys.json')
  await writeSubjectKeysFile(
    keysFile,
    [...subjectKeys].map(([kid, key]) => ({ kid, key })),
  )
})
afterAll(() => rm(made, { recursive: true, force: true }))
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'writ-export-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

interface Exported {
  readonly code: number
  readonly said: Row
  readonly err: string
  readonly file: string
}

async function exported(format: 'ndjson' | 'parquet', args: readonly string[] = [], from = store): Promise<Exported> {
  const file = join(dir, `events.${format}`)
  const written = { out: '', err: '' }
  const given = ['audit', 'export', from, ...pinned, '--format', format, '--out', file, '--json', ...args]
  const code = await runCli(given, {
    out: { write: (text) => (written.out += text) },
    err: { write: (text) => (written.err += text) },
  })
  return { code, said: (written.out === '' ? {} : JSON.parse(written.out)) as Row, err: written.err, file }
}

async function linesOf({ file }: Exported): Promise<Row[]> {
  const text = await readFile(file, 'utf8')
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Row)
}

/** Read with a reader that is not ours; its types are those of the lines. */
async function parquetOf({ file }: Exported): Promise<Row[]> {
  const rows = await parquetReadObjects({ file: await asyncBufferFromFile(file) })
  const plain = (value: unknown): unknown =>
    typeof value === 'bigint' ? Number(value) : value instanceof Date ? value.toISOString() : (value ?? null)
  return rows.map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plain(value)])))
}

/** Each event as its source signed it, by its id. */
async function eventsInLog(): Promise<ReadonlyMap<string, { leaf: number; event: Row }>> {
  const log = await EvidenceLog.open({ reader: directoryReader(store), vkeys, pins })
  const found = new Map<string, { leaf: number; event: Row }>()
  for (let leaf = 0; leaf < log.newest.size; leaf++) {
    const compact = Buffer.from((await log.newest.entryAt(leaf)) ?? []).toString()
    const { events } = JSON.parse(Buffer.from(compact.split('.')[1] ?? '', 'base64url').toString()) as { events: Row[] }
    for (const event of events) found.set(String(event['event_id']), { leaf, event })
  }
  return found
}

describe('an export', () => {
  test('holds every event of the log once, with its place in it and the names of the seed schema', async () => {
    const ran = await exported('ndjson')
    const rows = await linesOf(ran)
    expect(ran).toMatchObject({ code: 0, said: { ok: true, rows: rows.length, not_verified: 0, whole: true } })
    const inLog = await eventsInLog()
    expect(rows.map((row) => row['event_id'])).toEqual([...inLog.keys()])
    const seed = ['event_id', 'timestamp', 'agent_id', 'user_id', 'intent', 'device_id', 'approved_by', 'token_id']
    for (const row of rows) {
      expect(Object.keys(row)).toEqual(expect.arrayContaining([...seed, 'attestation', 'status']))
      const { leaf, event } = inLog.get(String(row['event_id'])) ?? { leaf: -1, event: {} }
      expect(row).toMatchObject({ origin: ORIGIN, leaf, verified: true, doubts: [], type: event['type'] })
      const { user = null, documents = [], source: _, ...others } = event
      expect(row['user_id']).toBe(user)
      expect(row).toMatchObject(others)
      const digests = (documents as Row[]).map(({ typ, digest }) => ({ typ, digest }))
      expect(row['documents']).toMatchObject(digests)
    }
    expect((await stat(ran.file)).mode & 0o777).toBe(0o600)
  })

  test('has the same rows in Parquet as in NDJSON, by a reader of another making', async () => {
    const lines = await linesOf(await exported('ndjson'))
    const parquet = await exported('parquet')
    expect(await parquetOf(parquet)).toEqual(lines)
    const { key_value_metadata, num_rows } = await parquetMetadataAsync(await asyncBufferFromFile(parquet.file))
    expect(Number(num_rows)).toBe(lines.length)
    expect(key_value_metadata?.find(({ key }) => key === 'checkpoints')?.value).toContain(ORIGIN)
    expect((await stat(parquet.file)).mode & 0o777).toBe(0o600)
  })

  test('of an agent, a device, an intent or a time is what of the whole fits', async () => {
    const all = await linesOf(await exported('ndjson'))
    const at = (row: Row) => Date.parse(String(row['timestamp']))
    const middle = '2026-11-01T00:01:00Z'
    const narrowed: readonly (readonly [string[], (row: Row) => boolean])[] = [
      [['--agent', 'a1'], (row) => row['agent_id'] === 'a1'],
      [['--device', 'press-1'], (row) => row['device_id'] === 'press-1'],
      [['--intent', 'intent-1'], (row) => row['intent_id'] === 'intent-1'],
      [['--to', middle], (row) => at(row) < Date.parse(middle)],
      [['--from', middle], (row) => at(row) >= Date.parse(middle)],
      [['--agent', 'nobody'], () => false],
    ]
    for (const [args, fits] of narrowed)
      for (const format of ['ndjson', 'parquet'] as const) {
        const ran = await exported(format, args)
        expect(format === 'parquet' ? await parquetOf(ran) : await linesOf(ran), args.join(' ')).toEqual(
          all.filter(fits),
        )
        expect(ran.code).toBe(0)
      }
  })

  test('names users only where that is asked for and keys open who they are', async () => {
    const users = async (...args: string[]) =>
      new Set(
        (await linesOf(await exported('ndjson', args))).map((row) => row['user_id']).filter((user) => user !== null),
      )
    expect([...(await users('--subject-keys', keysFile))]).toEqual([PSEUDONYM])
    expect([...(await users('--subject-keys', keysFile, '--user-ids'))]).toEqual(['u1'])
    const other = join(made, 'others.json')
    await writeSubjectKeysFile(other, [])
    expect([...(await users('--subject-keys', other, '--user-ids'))]).toEqual([PSEUDONYM])
    const { code, err } = await exported('ndjson', ['--user-ids'])
    expect([code, err]).toEqual([3, expect.stringContaining('sealed documents')])
  })
})

describe('what does not verify', () => {
  async function altered(change: (bytes: Buffer) => void): Promise<string> {
    const copy = join(dir, 'copy')
    const planted = await plant()
    await seal(copy, planted.opening, [planted.messages])
    const bundles = join(copy, ORIGIN, 'tile/entries/000.p')
    const name = String(Math.max(...(await readdir(bundles)).map(Number)))
    const bytes = await readFile(join(bundles, name))
    change(bytes)
    await rm(join(bundles, name))
    await writeFile(join(bundles, name), bytes)
    return copy
  }

  test('is exported as such, says why, and ends the command with 6', async () => {
    const copy = await altered((bytes) => bytes.fill('A', 40, 41))
    for (const format of ['ndjson', 'parquet'] as const) {
      const ran = await exported(format, [], copy)
      const rows = format === 'parquet' ? await parquetOf(ran) : await linesOf(ran)
      expect(ran).toMatchObject({ code: 6, said: { ok: false, whole: false } })
      const doubtful = rows.filter((row) => row['verified'] !== true)
      expect(ran.said['not_verified']).toBe(doubtful.length)
      expect(doubtful.map((row) => row['leaf'])).toEqual([0])
      expect(doubtful[0]?.['doubts']).toEqual(
        expect.arrayContaining([expect.objectContaining({ verdict: 'entry_altered' })]),
      )
    }
  })

  test('and cannot be read at all has a row too, and is counted where only some are wanted', async () => {
    const copy = join(dir, 'copy')
    const planted = await plant()
    await seal(copy, planted.opening, [planted.messages])
    await rm(join(copy, ORIGIN, 'tile/entries'), { recursive: true })
    const ran = await exported('parquet', [], copy)
    const rows = await parquetOf(ran)
    expect(ran).toMatchObject({ code: 6, said: { unreadable_entries: rows.length } })
    expect(rows.every((row) => row['event_id'] === null && row['verified'] === false)).toBe(true)
    const some = await exported('ndjson', ['--agent', 'a1'], copy)
    expect(some).toMatchObject({ code: 6, said: { rows: 0, unreadable_entries: rows.length } })
  })

  test('is passed over no less where only some is wanted: what says of itself that it fits has its row', async () => {
    const copy = join(dir, 'copy')
    const planted = await plant()
    const [header, , signature] = (planted.messages[0]?.body ?? '').split('.')
    const source = 'gateway/g1/b1'
    const hostile = ['press-1', 'press-2'].map((device_id) => {
      // An event without what every event has: no audit message of the contract.
      const payload = Buffer.from(JSON.stringify({ source, seq: 90, events: [{ device_id }] })).toString('base64url')
      return { name: 'odd', stream: 'AUDIT_EDGE' as const, source, body: `${header}.${payload}.${signature}` }
    })
    await seal(copy, planted.opening, [[...planted.messages, ...hostile]])
    const ran = await exported('ndjson', ['--device', 'press-1'], copy)
    expect(ran).toMatchObject({ code: 6, said: { ok: false, not_verified: 1, unreadable_entries: 0, whole: true } })
    const rows = await linesOf(ran)
    expect(rows.filter((row) => row['verified'] === true).length).toBe(Number(ran.said['rows']) - 1)
    expect(rows.filter((row) => row['verified'] !== true)).toMatchObject([
      { event_id: null, doubts: [{ verdict: 'message_malformed' }] },
    ])
  })

  test('leaves no file where there is no log at all, and none half written', async () => {
    const { code, file } = await exported('parquet', [], dir)
    expect(code).toBe(4)
    expect(await readdir(dir)).toEqual([])
    await expect(stat(file)).rejects.toThrow('ENOENT')
  })
})
