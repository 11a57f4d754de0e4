import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  EMPTY_ROOT,
  formatAddCheckpoint,
  formatCheckpoint,
  formatNote,
  formatVkey,
  leafHash,
  merkleRoot,
  type NoteVerifier,
  noteSignerOf,
  openNote,
  parseVkey,
  proveConsistency,
} from '@writ/audit'
import { generateJwk, type Signer, signerOf } from '@writ/keys'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { logId } from './records.ts'
import { runWitness } from './run-witness.ts'
import { type Listening, serveWitness } from './serve.ts'
import { Witness } from './witness.ts'

const ORIGIN = 'audit.example/eusc-de-east-1/2026h2'
const NAME = 'witness.example/w1'
const logKey = signerOf(generateJwk('EdDSA'))
const log = noteSignerOf(logKey)
/** Pinned for all epochs, as an enrolment package may say it. */
const pinned = (): NoteVerifier => log.verifier('audit.example/eusc-de-east-1')

/** One history of a log: its leaves are texts. */
class History {
  readonly #leaves: Uint8Array[]

  constructor(texts: readonly string[]) {
    this.#leaves = texts.map((text) => leafHash(Buffer.from(text)))
  }

  root(size: number): Uint8Array {
    return merkleRoot(this.#leaves.slice(0, size))
  }

  async checkpoint(
    size: number,
    { origin = ORIGIN, by = logKey }: { origin?: string; by?: Signer } = {},
  ): Promise<string> {
    const text = formatCheckpoint({ origin, size, root: this.root(size), extensions: [] })
    return formatNote(text, [
      { verifier: noteSignerOf(by).verifier(origin), signature: await by.sign(Buffer.from(text)) },
    ])
  }

  async proof(older: number, size: number): Promise<Uint8Array[]> {
    return await proveConsistency(older, size, async ({ start, end }) => merkleRoot(this.#leaves.slice(start, end)))
  }

  async request(older: number, size: number, more: { origin?: string; by?: Signer } = {}): Promise<string> {
    const [checkpoint, proof] = [await this.checkpoint(size, more), await this.proof(older, size)]
    return formatAddCheckpoint({ older, proof, checkpoint })
  }
}

const numbered = (prefix: string, count: number): string[] => Array.from({ length: count }, (_, at) => `${prefix}${at}`)
const honest = new History(numbered('entry ', 40))
/** The same up to the eighth entry. */
const forked = new History([...numbered('entry ', 8), ...numbered('another ', 32)])

let dir: string
let signer: Signer
let listening: Listening
let witness: Witness
let nowSeconds: number
async function open(): Promise<void> {
  witness = new Witness({ name: NAME, signer, logs: [pinned()], dir: join(dir, 'state'), nowSeconds: () => nowSeconds })
  listening = await serveWitness(witness, { host: '127.0.0.1', port: 0 })
}
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'writ-witness-'))
  signer = signerOf(generateJwk('EdDSA'))
  nowSeconds = 1_795_000_000
  await open()
})
afterEach(async () => {
  await listening[Symbol.asyncDispose]()
  await rm(dir, { recursive: true, force: true })
})

async function add(body: string): Promise<{ status: number; type: string | null; text: string }> {
  const response = await fetch(`${listening.url}/add-checkpoint`, { method: 'POST', body })
  return { status: response.status, type: response.headers.get('content-type'), text: await response.text() }
}

async function newest(origin = ORIGIN): Promise<Response> {
  return await fetch(`${listening.url}/${logId(origin)}/checkpoint`)
}

describe('a witness', () => {
  test('cosigns a log as it grows, with a time, and shows the newest to monitors', async () => {
    for (const [older, size] of [
      [0, 5],
      [5, 8],
      [8, 40],
    ] as const) {
      const checkpoint = await honest.checkpoint(size)
      const { status, text } = await add(await honest.request(older, size))
      expect(status).toBe(200)
      const { cosignatures } = openNote(`${checkpoint}${text}`, [witness.verifier])
      expect(cosignatures).toEqual([{ verifier: witness.verifier, timeSeconds: nowSeconds }])
    }
    const shown = await (await newest()).text()
    expect(openNote(shown, [log.verifier(ORIGIN), witness.verifier]).verifiedBy).toHaveLength(2)
    expect(shown).toContain(`${ORIGIN}\n40\n`)
  })

  test('cosigns the same tree again', async () => {
    await add(await honest.request(0, 5))
    nowSeconds += 60
    expect(await add(await honest.request(5, 5))).toMatchObject({ status: 200 })
  })

  test('refuses a fork: another tree of the size it cosigned', async () => {
    await add(await honest.request(0, 20))
    expect(await add(await forked.request(20, 20))).toEqual({ status: 409, type: 'text/x.tlog.size', text: '20\n' })
    expect(await (await newest()).text()).toContain(Buffer.from(honest.root(20)).toString('base64'))
  })

  test('refuses a fork that grew: whatever size it starts from', async () => {
    await add(await honest.request(0, 20))
    for (const older of [0, 8, 20]) {
      const { status } = await add(await forked.request(older, 40))
      expect(status).toBe(older === 20 ? 422 : 409)
    }
    const proof = await forked.proof(8, 40)
    expect(await add(formatAddCheckpoint({ older: 20, proof, checkpoint: await forked.checkpoint(40) }))).toMatchObject(
      { status: 422 },
    )
    expect(await add(await honest.request(20, 40))).toMatchObject({ status: 200 })
  })

  test('refuses a fork after it was started anew', async () => {
    await add(await honest.request(0, 20))
    await listening[Symbol.asyncDispose]()
    await open()
    expect(await add(await forked.request(0, 40))).toEqual({ status: 409, type: 'text/x.tlog.size', text: '20\n' })
  })

  test('lets one of two histories win that are sent at once', async () => {
    for (let round = 0; round < 10; round++) {
      const origin = `audit.example/eusc-de-east-1/20${30 + round}h1`
      const all = await Promise.all(
        [honest, forked, honest, forked].map(async (history) => {
          const { status } = await add(await history.request(0, 20, { origin }))
          return { history, status }
        }),
      )
      const won = new Set(all.filter(({ status }) => status === 200).map(({ history }) => history))
      expect(won.size).toBe(1)
      const [winner] = won
      expect(await (await newest(origin)).text()).toContain(
        Buffer.from((winner as History).root(20)).toString('base64'),
      )
    }
  })

  test('cosigns no older tree after a newer one', async () => {
    await add(await honest.request(0, 20))
    expect(await add(await honest.request(0, 8))).toMatchObject({ status: 409, text: '20\n' })
    expect(await add(await honest.request(8, 8))).toMatchObject({ status: 409, text: '20\n' })
  })

  test.each([
    ['another log', 404, () => honest.request(0, 5, { origin: 'audit.other/eusc-de-east-1/2026h2' })],
    ['another region', 404, () => honest.request(0, 5, { origin: 'audit.example/us-east-1/2026h2' })],
    ['a key that is not the log’s', 403, () => honest.request(0, 5, { by: signerOf(generateJwk('EdDSA')) })],
    ['an old size above the new one', 400, async () => (await honest.request(0, 5)).replace('old 0', 'old 6')],
    ['a signature over another tree', 403, async () => (await honest.request(0, 5)).replace('\n5\n', '\n6\n')],
    [
      'a proof from nothing',
      422,
      async () => (await honest.request(0, 5)).replace('old 0\n', `old 0\n${Buffer.alloc(32).toString('base64')}\n`),
    ],
    ['a hash that is too short', 400, async () => (await honest.request(0, 5)).replace('old 0\n', 'old 0\nAAAA\n')],
    [
      '64 hashes',
      400,
      async () =>
        (await honest.request(0, 5)).replace(
          'old 0\n',
          `old 0\n${`${Buffer.alloc(32).toString('base64')}\n`.repeat(64)}`,
        ),
    ],
    ['a leading zero', 400, async () => (await honest.request(0, 5)).replace('old 0', 'old 00')],
    [
      'a size beyond what numbers hold',
      400,
      async () => (await honest.request(0, 5)).replace('old 0', 'old 9007199254740993'),
    ],
    ['no checkpoint', 400, async () => 'old 0\n\n'],
    ['nothing', 400, async () => ''],
    ['a megabyte', 413, async () => `old 0\n\n${'x'.repeat(1_000_000)}`],
  ])('refuses %s with %i and cosigns nothing', async (_, status, body) => {
    expect((await add(await body())).status).toBe(status)
    expect((await newest()).status).toBe(404)
  })

  test('leaves out lines of strangers in what it shows, however many are sent', async () => {
    const request = await honest.request(0, 5)
    const line = `— stranger.example ${Buffer.alloc(68, 7).toString('base64')}\n`
    expect(await add(`${request}${line.repeat(60)}`)).toMatchObject({ status: 200 })
    expect(await (await newest()).text()).not.toContain('stranger')
  })

  test('cosigns nothing while its record cannot be read, and says so', async () => {
    await add(await honest.request(0, 5))
    await writeFile(join(dir, 'state', `${logId(ORIGIN)}.json`), '{"size":')
    expect(await add(await honest.request(5, 8))).toMatchObject({
      status: 503,
      text: expect.stringContaining('cannot be read'),
    })
  })

  test('answers other paths and methods with what they are', async () => {
    expect((await fetch(`${listening.url}/add-checkpoint`)).status).toBe(405)
    expect((await fetch(`${listening.url}/../etc/passwd`)).status).toBe(404)
    expect((await newest()).status).toBe(404)
  })

  test('does not start with the key of a log', () => {
    const options = { name: NAME, signer: logKey, logs: [pinned()], dir, nowSeconds: () => 0 }
    expect(() => new Witness(options)).toThrow('must be another one')
  })

  test('takes the empty tree as a beginning, and no other root of that size', async () => {
    const text = formatCheckpoint({ origin: ORIGIN, size: 0, root: EMPTY_ROOT, extensions: [] })
    const wrong = formatCheckpoint({ origin: ORIGIN, size: 0, root: Buffer.alloc(32), extensions: [] })
    const signed = async (of: string) => log.note(ORIGIN, of)
    expect(await add(formatAddCheckpoint({ older: 0, proof: [], checkpoint: await signed(wrong) }))).toMatchObject({
      status: 409,
    })
    expect(await add(formatAddCheckpoint({ older: 0, proof: [], checkpoint: await signed(text) }))).toMatchObject({
      status: 200,
    })
  })
})

describe('writ-witness', () => {
  const run = async (args: readonly string[]) => {
    const texts = { out: [] as string[], err: [] as string[] }
    const code = await runWitness(args, {
      out: (text) => void texts.out.push(text),
      err: (text) => void texts.err.push(text),
      stopped: () => Promise.resolve(),
    })
    return { code, out: texts.out.join(''), err: texts.err.join('') }
  }

  test('makes its key once, and prints its vkey', async () => {
    const key = join(dir, 'w.key')
    const { code, out } = await run(['--name', NAME, '--key', key, '--vkey'])
    expect([code, parseVkey(out.trim())]).toEqual([0, expect.objectContaining({ name: NAME, type: 4 })])
    expect(await run(['--name', NAME, '--key', key, '--vkey'])).toMatchObject({ code: 0, out })
  })

  test('serves until it is stopped, and holds its folder meanwhile', async () => {
    const args = [
      '--name',
      NAME,
      '--key',
      join(dir, 'w.key'),
      '--state',
      join(dir, 'w'),
      '--log',
      formatVkey(pinned()),
      '--listen',
      '127.0.0.1:0',
    ]
    expect(await run(args)).toMatchObject({ code: 0, out: expect.stringMatching(/http:\/\/127\.0\.0\.1:\d+\n$/) })
  })

  test.each([
    ['nothing', []],
    ['no log', ['--name', NAME, '--key', 'k', '--state', 's']],
    ['a log that is no vkey', ['--name', NAME, '--key', '/nowhere/k', '--state', 's', '--log', 'x']],
    [
      'a port that is none',
      ['--name', NAME, '--key', 'k', '--state', 's', '--log', 'x', '--listen', '127.0.0.1:99999'],
    ],
    ['an option that is not there', ['--nmae', NAME]],
  ])('refuses %s with a sentence', async (_, args) => {
    const { code, out, err } = await run(args)
    expect([code, out]).toEqual([2, ''])
    expect(err).toMatch(/\S.*\n$/)
  })
})
