import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import {
  type AuditStream,
  formatVkey,
  NOTE_COSIGNATURE,
  NOTE_ECDSA,
  NOTE_ED25519,
  type NoteSigner,
  noteSignerOf,
  openLogCheckpoint,
  openNote,
  Sealer,
  type StoredMessage,
} from '@writ/audit'
import { ephemeralSigner, openSigner, signJws } from '@writ/keys'
import { DirectoryStore } from '@writ/worm-store'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { startKms, type TestKms } from './support/kms.ts'
import { had, titled } from './support/needs.ts'

const moto = await had('moto_server')
const fsck = await had('tessera-fsck')
const run = promisify(execFile)

const NAME = { domain: 'audit.example', region: 'eusc-de-east-1' }
const ORIGIN = 'audit.example/eusc-de-east-1/2026h2'
const key = ephemeralSigner()
const TIME = 1_793_491_200

describe.skipIf(moto.missing !== undefined)(titled('a log that keys in KMS sign', moto), () => {
  let kms: TestKms
  let dir: string
  beforeAll(async () => {
    kms = await startKms()
    for (const [name, value] of Object.entries(kms.env)) vi.stubEnv(name, value)
    await kms.createKey('ECC_NIST_P256', 'alias/p256')
    await kms.createKey('ECC_NIST_EDWARDS25519', 'alias/ed25519')
    await kms.createKey('ECC_NIST_EDWARDS25519', 'alias/time')
    dir = await mkdtemp(join(tmpdir(), 'writ-kms-log-'))
  })
  afterEach(() => kms.mend())
  afterAll(async () => {
    vi.unstubAllEnvs()
    await kms?.[Symbol.asyncDispose]()
    await rm(dir, { recursive: true, force: true })
  })

  const signerOf = async (alias: string): Promise<NoteSigner> =>
    noteSignerOf(await openSigner(`kms:alias/${alias}`), {
      signer: await openSigner('kms:alias/time'),
      nowSeconds: () => TIME,
    })

  const message = (seq: number): Promise<string> =>
    signJws(key, 'writ-audit+jwt', { source: 'token-issuer/0/b', seq, text: `event ${seq}` })

  async function stream(count: number): Promise<AuditStream> {
    const messages: StoredMessage[] = []
    for (let seq = 0; seq < count; seq++)
      messages.push({ seq: seq + 1, source: 'token-issuer/0/b', body: Buffer.from(await message(seq)) })
    return {
      name: 'AUDIT',
      identity: async () => ({ created: '2026', lastSeq: count }),
      read: async (from, { countMax }) => messages.slice(from - 1, from - 1 + countMax),
    }
  }

  async function seal(store: string, signer: NoteSigner, count: number): Promise<Sealer> {
    const sealer = await Sealer.open({
      store: await DirectoryStore.open(store),
      name: NAME,
      signer,
      streams: [await stream(count)],
      retention: { fullMs: 86_400_000, shortMs: 86_400_000 },
      now: () => new Date('2026-11-01T00:00:00Z'),
      opening: (opening) => signJws(key, 'writ-audit+jwt', { source: 'audit-sink/0/b', seq: 0, ...opening }),
    })
    while ((await sealer.seal()).entries > 0);
    return sealer
  }

  const checkpointIn = (store: string): Promise<string> => readFile(join(store, ORIGIN, 'checkpoint'), 'utf8')

  /** What fsck says. Version 1.0.4 ends with 0 also where it found the log wrong, so that its words alone count. */
  async function fsckOf(store: string, vkey: string): Promise<string> {
    const file = join(dir, 'log.vkey')
    await writeFile(file, `${vkey}\n`)
    const args = ['-ui=false', '-public_key', file, '-origin', ORIGIN, '-storage_url', `file://${join(store, ORIGIN)}/`]
    return (await run('path' in fsck ? fsck.path : '', args)).stderr
  }

  test.each([
    ['ed25519', NOTE_ED25519],
    ['p256', NOTE_ECDSA],
  ] as const)(
    '%s: each checkpoint has the log’s line and its time, and others’ tools check all of it',
    async (alias, type) => {
      const store = join(dir, alias)
      const signer = await signerOf(alias)
      await seal(store, signer, 300)
      const note = await checkpointIn(store)
      const known = signer.verifiers(ORIGIN)
      expect(known.map((verifier) => verifier.type)).toEqual([type, NOTE_COSIGNATURE])
      expect(openNote(note, known).verifiedBy).toEqual(known)
      expect(openLogCheckpoint(note, known)).toMatchObject({ size: 301, signedTimeSeconds: TIME })
      expect(await readFile(join(store, `${ORIGIN}.meta`, 'log.vkey'), 'utf8')).toBe(
        `${formatVkey(signer.verifier(ORIGIN))}\n`,
      )
    },
  )

  test.skipIf(fsck.missing !== undefined)(
    titled('Tessera’s fsck verifies both kinds of log key, with the line of the time beside them', fsck),
    async () => {
      for (const alias of ['ed25519', 'p256']) {
        const signer = await signerOf(alias)
        const said = await fsckOf(join(dir, alias), formatVkey(signer.verifier(ORIGIN)))
        expect(said, alias).toContain('Successfully fsck')
        expect(said, alias).toContain('size 301')
      }
      const other = await signerOf('p256')
      expect(await fsckOf(join(dir, 'ed25519'), formatVkey(other.verifier(ORIGIN)))).toContain(
        'no verifiable signatures',
      )
    },
  )

  test('is sealed by nobody while one of its keys does not sign, and completed when it does, by whoever comes', async () => {
    const store = join(dir, 'waits')
    await seal(store, await signerOf('ed25519'), 10)
    const before = await checkpointIn(store)
    const signer = await signerOf('ed25519')
    kms.spoil('Sign', (answer) => ({ ...answer, Signature: Buffer.alloc(64).toString('base64') }))
    await expect(seal(store, signer, 20)).rejects.toMatchObject({ code: 'bad_signature' })
    expect(await checkpointIn(store)).toBe(before)
    kms.mend()
    const sealer = await seal(store, await signerOf('ed25519'), 20)
    expect(sealer.tree.size).toBe(21)
    expect(openLogCheckpoint(await checkpointIn(store), signer.verifiers(ORIGIN)).size).toBe(21)
  })

  test('is not continued by a sink whose alias means another key', async () => {
    const store = join(dir, 'moved')
    await seal(store, await signerOf('ed25519'), 5)
    await expect(seal(store, await signerOf('p256'), 10)).rejects.toThrow('not signed by the log key')
  })
})
