import { execFile } from 'node:child_process'
import { chmod, cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bundlePath, formatVkey, parseTlogPolicy, parseVkey, TILE_WIDTH, tilePath } from '@writ/audit'
import { generateJwk, signerOf } from '@writ/keys'
import { type Listening, serveWitness, Witness } from '@writ/witness'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type LocalStack, startLocalStack } from './support/local-stack.ts'
import { had, titled } from './support/needs.ts'
import { until } from './support/outsider.ts'
import { Lab, USER } from './support/promises-lab.ts'

// A copy of the log is verified with programs of others: Go's own signed notes and Merkle trees (the file that lies beside the log), and Tessera's
// checker. Both see what was altered. A witness of ours, run elsewhere, cosigns it.

const go = await hasGo()
const fsck = await had('tessera-fsck')

interface Ran {
  readonly code: number
  readonly text: string
}

function run(command: string, args: readonly string[], cwd?: string): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(
      command,
      args,
      { cwd, env: { ...process.env, GOFLAGS: '-mod=mod' }, maxBuffer: 1 << 26 },
      (error, out, err) => {
        resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : -1, text: `${out}${err}` })
      },
    )
  })
}

async function hasGo(): Promise<boolean> {
  const { code } = await run('go', ['version'])
  if (code !== 0 && process.env['CI'] === 'true') throw new Error('There is no Go in PATH: in CI no test is skipped.')
  return code === 0
}

let dir: string
let local: LocalStack
let lab: Lab
let witness: Witness
let listening: Listening
let policy: string
/** A copy of the bucket's folder, as an auditor takes it. */
let copy: string
let origin: string

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'writ-elsewhere-'))
  const key = signerOf(generateJwk('EdDSA'))
  // The witness must know the log's key, which is made when the plane is: it is started in between, at an address that is known before.
  const logs: ReturnType<typeof parseVkey>[] = []
  witness = new Witness({
    name: 'witness.example/w1',
    signer: key,
    logs,
    dir: join(dir, 'w1'),
    nowSeconds: () => Math.floor(Date.now() / 1000),
  })
  listening = await serveWitness(witness, { host: '127.0.0.1', port: 0 })
  policy = join(dir, 'policy.txt')
  await writeFile(policy, `witness w1 ${formatVkey(witness.verifier)} ${listening.url}\nquorum w1\n`)
  local = await startLocalStack('elsewhere', { WRIT_WITNESS_POLICY: policy })
  logs.push(parseVkey(local.stack.plane.logVkey))
  lab = await Lab.open(local)
  await lab.gateway('gw-elsewhere')
  await lab.device('seen', 'gw-elsewhere')
  const store = local.stack.store.dir ?? ''
  origin = local.stack.plane.logName
  // A witness that did not know the log is left alone for a while; each intent brings a checkpoint to ask about.
  await until(
    'a checkpoint is cosigned',
    async () => {
      const about = {
        action: 'telemetry-read',
        targets: ['seen'],
        onBehalfOf: USER,
        purpose: 'To be verified elsewhere.',
      }
      expect((await lab.end(await lab.agent.submit(about))).state).toBe('succeeded')
      const note = await readFile(join(store, origin, 'checkpoint'), 'utf8').catch(() => '')
      return note.includes('— witness.example/w1 ')
    },
    120_000,
  )
  await until(
    'the files for verifiers lie beside the log',
    () =>
      readFile(join(store, `${origin}.meta`, 'policy.txt')).then(
        () => true,
        () => false,
      ),
    120_000,
  )
  copy = join(dir, 'copy')
  // In the order of keys, as `aws s3 sync` goes, so that a log that grows meanwhile is whole up to its checkpoint.
  for (const part of [`${origin}.meta`, `${origin}/checkpoint`, origin])
    await cp(join(store, part), join(copy, part), { recursive: true, force: false })
})

afterAll(async () => {
  await lab?.[Symbol.asyncDispose]()
  await local?.[Symbol.asyncDispose]()
  await listening?.[Symbol.asyncDispose]()
  await rm(dir, { recursive: true, force: true })
})

/** The pinned key, from the operator and not from the copy. */
const vkey = (): string => local.stack.plane.logVkey

async function altered<T>(path: string, work: () => Promise<T>, at = 20): Promise<T> {
  const file = join(copy, path)
  const bytes = await readFile(file)
  const wrong = Buffer.from(bytes)
  wrong[at] = (wrong[at] as number) ^ 1
  await chmod(file, 0o600)
  await writeFile(file, wrong)
  try {
    return await work()
  } finally {
    await writeFile(file, bytes)
  }
}

/** The last bundle or tile that the checkpoint is over. */
async function newestIn(kind: 'entries' | 'tile'): Promise<string> {
  const size = Number((await readFile(join(copy, origin, 'checkpoint'), 'utf8')).split('\n')[1])
  const n = Math.floor((size - 1) / TILE_WIDTH)
  const width = size - n * TILE_WIDTH
  return `${origin}/${kind === 'entries' ? bundlePath(n, width) : tilePath(0, n, width)}`
}

test('beside the log lie its key, a policy, how to verify, and a program that does', async () => {
  const meta = join(copy, `${origin}.meta`)
  expect((await readFile(join(meta, 'log.vkey'), 'utf8')).trim()).toBe(vkey())
  expect(parseTlogPolicy(await readFile(join(meta, 'policy.txt'), 'utf8')).witnesses.map(({ name }) => name)).toEqual([
    'w1',
  ])
  expect(await readFile(join(meta, 'README-verify.txt'), 'utf8')).toContain('go run . -vkey')
  expect((await readdir(join(meta, 'verifier'))).sort()).toEqual(['go.mod', 'go.sum', 'main.go'])
})

describe.skipIf(!go)(go ? 'with Go and golang.org/x/mod alone' : 'skipped: no Go in PATH', () => {
  const verify = (): Promise<Ran> =>
    run('go', ['run', '.', '-vkey', vkey(), join(copy, origin)], join(copy, `${origin}.meta`, 'verifier'))

  test('the copy verifies, every checkpoint of it', async () => {
    const copies = await readdir(join(copy, `${origin}.meta`, 'checkpoints'))
    const { code, text } = await verify()
    expect([code, text]).toEqual([
      0,
      expect.stringMatching(new RegExp(`^verified: ${origin}, \\d+ entries, root \\S+, ${copies.length} checkpoints`)),
    ])
  })

  test.each(['entries', 'tile'] as const)('a byte that is altered in the last of its %s is found', async (kind) => {
    const path = await newestIn(kind)
    const { code, text } = await altered(path, verify)
    expect([code, text]).toEqual([1, expect.stringContaining('NOT VERIFIED')])
  })

  test('an altered checkpoint is found', async () => {
    expect(await altered(`${origin}/checkpoint`, verify)).toMatchObject({
      code: 1,
      text: expect.stringContaining('NOT VERIFIED'),
    })
  })

  test('a checkpoint that was put back is found', async () => {
    const file = join(copy, origin, 'checkpoint')
    const shown = await readFile(file)
    const [first = ''] = (await readdir(join(copy, `${origin}.meta`, 'checkpoints'))).sort()
    await chmod(file, 0o600)
    await writeFile(file, await readFile(join(copy, `${origin}.meta`, 'checkpoints', first)))
    try {
      expect(await verify()).toMatchObject({ code: 1, text: expect.stringContaining('it was put back') })
    } finally {
      await writeFile(file, shown)
    }
  })
})

describe.skipIf(fsck.missing !== undefined)(titled('with Tessera’s checker', fsck), () => {
  const verify = async (): Promise<Ran> => {
    await writeFile(join(dir, 'vkey'), `${vkey()}\n`)
    return await run(fsck.missing === undefined ? fsck.path : '', [
      '-ui=false',
      '-storage_url',
      `file://${join(copy, origin)}/`,
      '-public_key',
      join(dir, 'vkey'),
    ])
  }

  test('the copy verifies', async () => {
    expect(await verify()).toMatchObject({ code: 0, text: expect.stringContaining("Successfully fsck'd log") })
  })

  test('an altered entry is found', async () => {
    const path = await newestIn('entries')
    // Its exit code is 0 all the same.
    const { text } = await altered(path, verify)
    expect(text).toContain('fsck failed')
    expect(text).not.toContain('Successfully')
  })
})

describe('with a witness elsewhere', () => {
  const args = (file: string) => ['audit', 'verify', join(copy), '--policy', file]

  test('writ audit verify demands its quorum, and says who cosigned', async () => {
    const { code, json } = await local.writ(args(policy))
    expect([code, json]).toEqual([
      0,
      expect.objectContaining({
        ok: true,
        witnessed: expect.objectContaining({
          quorum: 'w1',
          by: [expect.objectContaining({ name: 'witness.example/w1' })],
        }),
      }),
    ])
  })

  test('another quorum is not met, and that is a finding', async () => {
    const other = new Witness({
      name: 'witness.example/w2',
      signer: signerOf(generateJwk('EdDSA')),
      logs: [],
      dir,
      nowSeconds: () => 0,
    })
    const file = join(dir, 'other.txt')
    await writeFile(file, `witness w2 ${formatVkey(other.verifier)}\nquorum w2\n`)
    const { code, json } = await local.writ(args(file), { fails: true })
    expect([code, json]).toEqual([6, expect.objectContaining({ ok: false, verdicts: ['not_witnessed'] })])
  })
})
