import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { formatVkey, storeReader } from '@writ/audit'
import { runCli } from '@writ/cli'
import { S3Store } from '@writ/worm-store'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { keys, NAME, pins, plant, seal } from '../packages/audit/src/testing/plant-log.ts'
import { had, titled } from './support/needs.ts'
import { startS3, type TestS3 } from './support/s3.ts'

// An auditor at the bucket itself: locks are asked of the storage, first versions count, and a copy of it is a copy.

const BUCKET = 'evidence'
const REGION_NAME = `${NAME.domain}/${NAME.region}`
const server = await had('versitygw')

describe.skipIf(server.missing !== undefined)(
  titled('writ audit verify of a bucket', server),
  { timeout: 60_000 },
  () => {
    let s3: TestS3
    let dir: string
    let trust: string
    let logs = 0
    beforeAll(async () => {
      s3 = await startS3('versitygw')
      await s3.createBucket(BUCKET)
      dir = await mkdtemp(join(tmpdir(), 'writ-audit-s3-'))
      trust = join(dir, 'trust.json')
      const log_vkeys = [formatVkey(keys.log.verifier(REGION_NAME))]
      await writeFile(trust, JSON.stringify({ ...pins, log_vkeys }))
    })
    afterAll(async () => {
      await s3?.stop()
      await rm(dir, { recursive: true, force: true })
    })
    beforeEach(() => {
      for (const [name, value] of Object.entries(s3.env)) vi.stubEnv(name, value)
    })
    afterEach(() => vi.unstubAllEnvs())

    /** A plant's log in the bucket, locked for 190 days, its partial tiles and batches for 30. */
    async function log(): Promise<{ url: string; prefix: string; store: S3Store; origin: string }> {
      const prefix = `plane-${logs++}`
      const store = await S3Store.open({ bucket: BUCKET, prefix }, { client: s3.client() })
      const { messages, opening } = await plant()
      await seal('', opening, [messages.slice(0, 8), messages], { store, now: new Date() })
      const found = await runJson('verify', `s3://${BUCKET}/${prefix}`)
      return { url: `s3://${BUCKET}/${prefix}`, prefix, store, origin: String(found['origin']) }
    }

    async function runJson(...args: string[]): Promise<Record<string, unknown> & { readonly code: number }> {
      let [out, err] = ['', '']
      const code = await runCli(['--home', join(dir, 'none'), '--json', 'audit', ...args, '--trust', trust], {
        out: { write: (text) => (out += text) },
        err: { write: (text) => (err += text) },
      })
      return { ...(JSON.parse(out === '' ? err : out) as object), code }
    }

    test('says for how long every object is locked, and which is not for as long as is demanded', async () => {
      const { url, store, origin } = await log()
      await store.hold(`${origin}.meta/seals/000000000001`, true)
      const found = await runJson('verify', url, '--retention-days', '190')
      expect(found).toMatchObject({ code: 0, ok: true, verdicts: ['ok'], read_from: url })
      const [locks] = found['retention'] as [{ state: string; held: number; objects: number; until: string }]
      expect(locks).toMatchObject({ state: 'checked', held: 1 })
      expect(locks.objects).toBeGreaterThan(10)
      expect(Date.parse(locks.until)).toBeGreaterThan(Date.now() + 189 * 86_400_000)
      const longer = await runJson('verify', url, '--retention-days', '400')
      expect(longer).toMatchObject({ code: 6, ok: false, verdicts: ['retention_missing'] })
    })

    test('names an object that nobody has locked', async () => {
      const { url, prefix, origin } = await log()
      const Key = `${prefix}/${origin}.meta/notes.txt`
      await s3.client().send(new PutObjectCommand({ Bucket: BUCKET, Key, Body: 'unlocked' }))
      expect(await runJson('verify', url)).toMatchObject({
        code: 6,
        findings: [{ verdict: 'retention_missing', where: { object: `${origin}.meta/notes.txt` } }],
      })
      // Who may only read is not told, and says so.
      expect(await runJson('verify', url, '--no-locks')).toMatchObject({
        code: 0,
        retention: [{ state: 'not checked', why: 'It was not asked for.' }],
      })
    })

    test('believes the first version of an object, whatever versions and markers lie above it', async () => {
      const { url, prefix, origin } = await log()
      const at = (key: string) => ({ Bucket: BUCKET, Key: `${prefix}/${origin}${key}` })
      const client = s3.client()
      for (const key of ['/tile/entries/000.p/20', '/tile/0/000.p/20', '.meta/seals/000000000002'])
        await client.send(new PutObjectCommand({ ...at(key), Body: 'forged' }))
      await client.send(new DeleteObjectCommand(at('.meta/seals/000000000001')))
      expect(await runJson('verify', url)).toMatchObject({ code: 0, ok: true })
      expect(await runJson('trace', url, '--intent', 'intent-1')).toMatchObject({ code: 0, ok: true, whole: true })
    })

    test('of a copy, as any tool for S3 makes it, verifies all but the locks, and says so', async () => {
      const { store } = await log()
      const copy = join(dir, 'copy')
      const reader = storeReader(store)
      const pull = async (prefix: string): Promise<void> => {
        for await (const name of reader.list(prefix)) {
          if (name.endsWith('/')) await pull(`${prefix}${name}`)
          else {
            await mkdir(dirname(join(copy, prefix, name)), { recursive: true })
            await writeFile(join(copy, prefix, name), (await reader.read(`${prefix}${name}`)) ?? '')
          }
        }
      }
      await pull('')
      expect(await runJson('verify', copy)).toMatchObject({
        code: 0,
        ok: true,
        retention: [{ state: 'not checked', why: expect.stringContaining('a copy has none') }],
      })
    })

    test('that does not answer is no verdict', async () => {
      vi.stubEnv('AWS_ENDPOINT_URL_S3', 'http://127.0.0.1:9')
      expect(await runJson('verify', `s3://${BUCKET}/plane-0`)).toMatchObject({ code: 4, ok: false })
    })
  },
)
