import {
  GetBucketVersioningCommand,
  ListObjectVersionsCommand,
  PutBucketVersioningCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import type { ResidencyDemand, StoreCheck } from '@writ/contracts'
import { type CheckResult, passes, problemOf, S3Store, statementOf, testStore } from '@writ/worm-store'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { had, titled } from './support/needs.ts'
import { type S3Kind, startS3, type TestS3 } from './support/s3.ts'

const REGION = 'eusc-de-east-1'
const PLACE = { bucket: 'evidence', prefix: 'log' }
const PROGRAMS = { versitygw: await had('versitygw'), minio: await had('minio'), moto: await had('moto_server') }
let s3: TestS3
let client: S3Client

const demand = (changes: Partial<ResidencyDemand> = {}): ResidencyDemand => ({
  partition: 'aws-eusc',
  bucket_regions: [REGION],
  endpoints: [s3.endpoint],
  retention_days_min: 190,
  retention_days_max: 2284,
  ...changes,
})
const look = (changes: Partial<ResidencyDemand> = {}, bucket = PLACE.bucket, retentionDays = 190) =>
  testStore(client, { ...PLACE, bucket }, { demand: demand(changes), retentionDays })
const named = (results: readonly CheckResult[], state: CheckResult['state']): StoreCheck[] =>
  results.filter((each) => each.state === state).map(({ check }) => check)
const versioningOf = async (Bucket: string) => (await client.send(new GetBucketVersioningCommand({ Bucket }))).Status

async function start(kind: S3Kind): Promise<void> {
  s3 = await startS3(kind)
  client = s3.client()
  await s3.createBucket(PLACE.bucket)
  await s3.createBucket('unlocked', { objectLock: false })
}

const ATTACKS = [
  'first_write',
  'double_create',
  'stale_replace',
  'overwrite',
  'wrong_checksum',
  'delete_version',
  'bulk_delete',
  'delete_marker',
  'shorten_retention',
  'governance_mode',
  'clear_retention',
  'extend_retention',
  'suspend_versioning',
]

describe.each(['versitygw', 'minio'] as const)('the self-test of a bucket with Object Lock', (kind) => {
  describe.skipIf(PROGRAMS[kind].missing !== undefined)(titled(`on ${kind}`, PROGRAMS[kind]), () => {
    beforeAll(() => start(kind))
    afterAll(() => s3?.stop())

    test('passes, having tried everything, and leaves versioning on and nothing in a log’s way', async () => {
      const results = await look()
      expect(problemOf(results)).toBeUndefined()
      expect(passes(results)).toBe(true)
      const facts = ['residency', 'retention', 'endpoint', 'bucket_region', 'partition', 'versioning', 'object_lock']
      expect(named(results, 'ok')).toEqual([...facts, ...ATTACKS])
      expect(statementOf('s3', results, { unproven: 'not-needed' })).toEqual({ kind: 's3', proven: true, failed: [] })
      expect(await versioningOf(PLACE.bucket)).toBe('Enabled')
      const store = await S3Store.open(PLACE, { client })
      const seen: string[] = []
      for await (const name of store.list('')) seen.push(name)
      expect(seen).toEqual([])
      const { Versions = [] } = await client.send(new ListObjectVersionsCommand({ Bucket: PLACE.bucket }))
      expect(Versions.length).toBeGreaterThan(ATTACKS.length)
      expect(Versions.filter(({ Key }) => !Key?.startsWith('log/.probe/'))).toEqual([])
    })

    test.each<[string, Partial<ResidencyDemand>, StoreCheck]>([
      ['in another region', { bucket_regions: ['eu-central-1', 'eu-west-1'] }, 'bucket_region'],
      ['in another partition', { partition: 'aws' }, 'partition'],
      ['at a server that the table does not list', { endpoints: ['https://s3.elsewhere.example'] }, 'endpoint'],
      ['of a log that is kept too briefly', { retention_days_min: 365 }, 'retention'],
      ['of a log that is kept for too long', { retention_days_min: 90, retention_days_max: 180 }, 'retention'],
    ])('refuses a bucket %s, and names that', async (_, changes, check) => {
      const results = await look(changes)
      expect(named(results, 'failed')).toEqual([check])
      expect(problemOf(results)).toContain(check)
      expect(statementOf('s3', results)).toEqual({ kind: 's3', proven: false, failed: [check] })
    })

    test('knows no SDK endpoint but the SDK’s own where the table lists none', async () => {
      const { endpoints: _, ...rest } = demand()
      const results = await testStore(client, PLACE, { demand: rest, retentionDays: 190 })
      expect(named(results, 'failed')).toEqual(['endpoint'])
    })

    test('refuses a jurisdiction that is in no table, and says nothing else of where the bucket is', async () => {
      const results = await testStore(client, PLACE, { demand: undefined, retentionDays: 190 })
      expect(named(results, 'failed')).toEqual(['residency'])
      expect(named(results, 'not tried')).toEqual(['endpoint', 'bucket_region', 'partition'])
    })

    test('refuses a bucket without Object Lock, and writes nothing into it', async () => {
      const results = await look({}, 'unlocked')
      expect(named(results, 'failed')).toEqual(['versioning', 'object_lock'])
      expect(named(results, 'not tried')).toEqual(ATTACKS)
      const { Versions = [] } = await client.send(new ListObjectVersionsCommand({ Bucket: 'unlocked' }))
      expect(Versions).toEqual([])
    })

    test('refuses a bucket that is not there', async () => {
      expect(named(await look({}, 'nowhere'), 'failed')).toEqual(
        expect.arrayContaining(['bucket_region', 'versioning', 'object_lock']),
      )
    })

    test('decides nothing where the server does not know who asks', async () => {
      const credentials = { accessKeyId: 'nobody', secretAccessKey: 'nothing' }
      client = new S3Client({ endpoint: s3.endpoint, region: REGION, credentials, forcePathStyle: true })
      try {
        await expect(look()).rejects.toMatchObject({ code: 'unavailable' })
      } finally {
        client.destroy()
        client = s3.client()
      }
    })

    test('decides nothing where the server does not answer', async () => {
      await s3.kill()
      await expect(look()).rejects.toMatchObject({ code: 'unavailable' })
    })
  })
})

describe.skipIf(PROGRAMS.moto.missing !== undefined)(
  titled('the self-test on moto, which is too weak,', PROGRAMS.moto),
  () => {
    beforeAll(() => start('moto'))
    afterAll(() => s3?.stop())

    test('names exactly what moto lets happen, and turns versioning on again', async () => {
      const results = await look()
      expect(named(results, 'failed')).toEqual([
        'wrong_checksum',
        'shorten_retention',
        'governance_mode',
        'clear_retention',
        'suspend_versioning',
        'overwrite_suspended',
      ])
      expect(named(results, 'not tried')).toEqual([])
      for (const check of named(results, 'failed')) expect(problemOf(results)).toContain(`${check} (must be: `)
      expect(await versioningOf(PLACE.bucket)).toBe('Enabled')
    })

    test('refuses a bucket whose versioning is suspended, and does not turn it on', async () => {
      await s3.createBucket('suspended')
      const VersioningConfiguration = { Status: 'Suspended' } as const
      await client.send(new PutBucketVersioningCommand({ Bucket: 'suspended', VersioningConfiguration }))
      const results = await look({}, 'suspended')
      expect(named(results, 'failed')).toEqual(['versioning'])
      expect(named(results, 'not tried')).toEqual(ATTACKS)
      expect(await versioningOf('suspended')).toBe('Suspended')
    })
  },
)
