import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ListObjectVersionsCommand } from '@aws-sdk/client-s3'
import { originOf, parseVkey, verifiersFor } from '@writ/audit'
import { type ResidencyDemand, type StoreStatement, storeStatementOf } from '@writ/contracts'
import { parseJws, sha256 } from '@writ/keys'
import { openStore, S3Store, type WormStore } from '@writ/worm-store'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { readStoredLog } from '../packages/audit/src/testing/stored-log.ts'
import { serviceHealth } from '../packages/cli/src/status/service-health.ts'
import { had, titled } from './support/needs.ts'
import { type S3Kind, startS3, type TestS3 } from './support/s3.ts'
import { type SinkProcess, SinkStage } from './support/sink-stage.ts'

const PROGRAMS = { versitygw: await had('versitygw'), moto: await had('moto_server') }
const LOG = { domain: 'test.writ.example', region: 'test-1' }
/** No word why an unproven store should be used, as in production. */
const UNFLAGGED = { WRIT_STORE_UNPROVEN: '' }
const PRODUCTION = { WRIT_MODE: 'production', WRIT_NATS_MONITOR: 'http://127.0.0.1:1' }

let s3: TestS3
let stage: SinkStage
afterEach(() => stage?.killSinks())

async function start(kind: S3Kind): Promise<void> {
  s3 = await startS3(kind)
  await s3.createBucket('evidence')
  stage = await SinkStage.start({ store: 's3://evidence/log', env: s3.env })
}
const stop = async (): Promise<void> => {
  await stage?.[Symbol.asyncDispose]()
  await s3?.stop()
}

/** `WRIT_RESIDENCY` of a table in which a jurisdiction demands where the test's bucket is, or something else. */
async function residency(
  changes: Partial<ResidencyDemand> = {},
  jurisdiction = LOG.region,
): Promise<{ readonly env: { readonly WRIT_RESIDENCY: string }; readonly digest: string }> {
  const demand: ResidencyDemand = {
    partition: 'aws-eusc',
    bucket_regions: ['eusc-de-east-1'],
    endpoints: [s3.endpoint],
    retention_days_min: 190,
    retention_days_max: 2284,
    ...changes,
  }
  const path = join(stage.nats.dir, 'residency.json')
  const bytes = Buffer.from(JSON.stringify({ version: 1, jurisdictions: { [jurisdiction]: demand } }))
  await writeFile(path, bytes)
  return { env: { WRIT_RESIDENCY: path }, digest: sha256(bytes) }
}

/** What `/readyz`, and so `writ status`, says of a sink that refuses its store. */
async function refusal({ health }: SinkProcess): Promise<string> {
  let said: readonly string[] = []
  await stage.until(async () => {
    const { state, problems } = await serviceHealth('audit-sink', health)
    said = problems
    return state === 'not ready' && said.some((problem) => problem.startsWith('store: '))
  }, 'audit-sink says what its store lacks')
  expect(said).toContain('phase: refused: the store')
  expect((await fetch(`${health}/healthz`)).status, 'it is alive').toBe(200)
  return said.find((problem) => problem.startsWith('store: ')) ?? ''
}

async function metricsOf({ health }: SinkProcess): Promise<string> {
  return await (await fetch(`${health}/metrics`)).text()
}

/** What sinks said of their stores, in the log itself. */
async function recorded(store: WormStore): Promise<readonly StoreStatement[]> {
  let origin = ''
  for await (const name of store.list(`${LOG.domain}/${LOG.region}/`))
    if (!name.endsWith('.meta/')) origin = originOf(LOG, name.slice(0, -1))
  const [verifier] = verifiersFor(origin, [parseVkey(stage.nats.plane.logVkey)])
  if (verifier === undefined) throw new Error('no verifier')
  const { entries } = await readStoredLog(store, origin, verifier)
  return entries.flatMap((entry) => {
    const { events } = parseJws(entry, 64_000).payload as { readonly events?: readonly { detail?: never }[] }
    return (events ?? []).flatMap(({ detail }) => storeStatementOf(detail) ?? [])
  })
}

const CLI = fileURLToPath(new URL('../packages/cli/dist/main.js', import.meta.url))

/** `writ store test` on the test's bucket, by a person who has the table. */
async function storeTest(more: readonly string[] = []): Promise<{ readonly code: number; readonly said: string }> {
  const { env } = await residency()
  const args = [
    CLI,
    'store',
    'test',
    's3://evidence/log',
    '--residency',
    env.WRIT_RESIDENCY,
    '--jurisdiction',
    LOG.region,
  ]
  return await new Promise((resolve) => {
    execFile(process.execPath, [...args, ...more], { env: { PATH: process.env['PATH'], ...s3.env } }, (error, said) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, said })
    })
  })
}

async function sealed(store: WormStore): Promise<void> {
  await stage.publishUntilCovered(await stage.chain(1))
  expect(await recorded(store)).not.toEqual([])
}

describe.skipIf(PROGRAMS.moto.missing !== undefined)(
  titled('a sink on a bucket that is too weak', PROGRAMS.moto),
  () => {
    beforeAll(() => start('moto'))
    afterAll(stop)

    test('opens no log in it, stays alive and not ready, and names every check that failed', async () => {
      const sink = await stage.startSink('weak', { env: { ...UNFLAGGED, ...(await residency()).env } })
      const said = await refusal(sink)
      for (const check of ['wrong_checksum', 'shorten_retention', 'governance_mode', 'suspend_versioning'])
        expect(said).toContain(`${check} (must be: refused`)
      expect(said).not.toContain('bucket_region')
      expect(await metricsOf(sink)).toMatch(
        /^writ_store_check_failed\{check="shorten_retention",role="audit-sink"\} 1$/m,
      )
      expect(await metricsOf(sink)).toMatch(/^writ_store_proven\{role="audit-sink"\} 0$/m)
      const { Versions = [] } = await s3.client().send(new ListObjectVersionsCommand({ Bucket: 'evidence' }))
      expect(Versions.filter(({ Key }) => !Key?.startsWith('log/.probe/'))).toEqual([])
      const ended = once(sink.child, 'exit')
      sink.child.kill('SIGTERM')
      expect(await ended, 'it still stops when it is asked to').toEqual([0, null])
    })

    test('is told apart by hand too', async () => {
      const { code, said } = await storeTest()
      expect(code).toBe(3)
      expect(said).toMatch(/^shorten_retention +failed +refused +allowed; the lock ends earlier$/m)
      expect(said).toContain('audit-sink would refuse it.')
    })

    test('takes no flag in production', async () => {
      const env = { ...PRODUCTION, WRIT_STORE_UNPROVEN: 'we-know', ...(await residency()).env }
      expect(await refusal(await stage.startSink('production', { env }))).toContain('shorten_retention')
    })

    test('takes the flag in development, and says in the log what failed and under which word it went on', async () => {
      const { env, digest } = await residency()
      await stage.ready(await stage.startSink('flagged', { env: { ...env, WRIT_STORE_UNPROVEN: 'lab-7' } }))
      const store = await S3Store.open({ bucket: 'evidence', prefix: 'log' }, { client: s3.client() })
      await sealed(store)
      expect(await recorded(store)).toEqual([
        {
          kind: 's3',
          proven: false,
          failed: [
            'wrong_checksum',
            'shorten_retention',
            'governance_mode',
            'clear_retention',
            'suspend_versioning',
            'overwrite_suspended',
          ],
          unproven: 'lab-7',
          residency_sha256: digest,
        },
      ])
    })
  },
)

describe.skipIf(PROGRAMS.versitygw.missing !== undefined)(
  titled('a sink on a bucket that holds what it should', PROGRAMS.versitygw),
  () => {
    beforeAll(() => start('versitygw'))
    afterAll(stop)

    test.each<[string, Partial<ResidencyDemand>, string, string]>([
      [
        'in another region than its jurisdiction demands',
        { bucket_regions: ['eu-central-1'] },
        LOG.region,
        'bucket_region',
      ],
      ['of a jurisdiction that the table does not know', {}, 'elsewhere', 'residency'],
      [
        'with a key file where the jurisdiction demands KMS',
        { keys: { regions: ['eusc-de-east-1'], specs: ['ECC_NIST_EDWARDS25519'] } },
        LOG.region,
        'log_key',
      ],
    ])('refuses it %s', async (_, changes, jurisdiction, check) => {
      const { env } = await residency(changes, jurisdiction)
      const said = await refusal(await stage.startSink('wrong', { env: { ...UNFLAGGED, ...env } }))
      expect(said.match(/\w+(?= \(must be)/g)).toEqual([check])
    })

    test('passes by hand too, with a table of every check', async () => {
      const { code, said } = await storeTest()
      expect(code).toBe(0)
      expect(said).toMatch(/^bulk_delete +ok +refused +403 AccessDenied$/m)
      expect(said).toContain('s3://evidence/log holds what a log needs.')
      const key = await storeTest(['--json', '--retention-days', '10'])
      expect(key.code).toBe(3)
      expect(JSON.parse(key.said)).toMatchObject({ ok: false, store: 's3://evidence/log' })
    })

    test('waits while the store does not answer, and goes on when it does', async () => {
      const { env } = await residency()
      s3.pause()
      const sink = await stage.startSink('waits', { env: { ...UNFLAGGED, ...env } })
      await stage.until(async () => {
        const { problems } = await serviceHealth('audit-sink', sink.health)
        return problems.some((problem) => problem.startsWith('phase: testing the store'))
      }, 'audit-sink says that it waits')
      s3.resume()
      await stage.ready(sink)
    })

    test('needs no flag, and says in the log that the store is proven, by which table', async () => {
      const { env, digest } = await residency()
      const sink = await stage.startSink('proven', { env: { ...UNFLAGGED, ...env } })
      await stage.ready(sink)
      expect(await metricsOf(sink)).toMatch(/^writ_store_proven\{role="audit-sink"\} 1$/m)
      const store = await S3Store.open({ bucket: 'evidence', prefix: 'log' }, { client: s3.client() })
      await sealed(store)
      expect((await recorded(store)).at(-1)).toEqual({ kind: 's3', proven: true, failed: [], residency_sha256: digest })
    })
  },
)

describe('a sink on a directory', () => {
  beforeAll(async () => {
    stage = await SinkStage.start()
  })
  afterAll(() => stage?.[Symbol.asyncDispose]())

  test('is refused in production where nobody says that one disk will do', async () => {
    expect(await refusal(await stage.startSink('bare', { env: PRODUCTION }))).toContain('directory (must be: ')
  })

  test('needs no flag in development, and says in the log what the store is', async () => {
    await stage.ready(await stage.startSink('local'))
    const store = await openStore(stage.store)
    await sealed(store)
    expect(await recorded(store)).toEqual([{ kind: 'directory', proven: false, failed: ['directory'] }])
  })
})
