import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GetObjectLegalHoldCommand, ListObjectVersionsCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type LocalStack, REGION, startLocalStack } from './support/local-stack.ts'
import { had, titled } from './support/needs.ts'
import { until } from './support/outsider.ts'
import { startS3, type TestS3 } from './support/s3.ts'

// `npm start` with its evidence in a bucket: every command finds it there, and nothing of it is on the disk.

const BUCKET = 'evidence'
const STORE = `s3://${BUCKET}/plane-1`
const server = await had('versitygw')

describe.skipIf(server.missing !== undefined)(titled('a plane whose evidence is in a bucket', server), () => {
  let s3: TestS3
  let local: LocalStack
  let folder: string
  let before: Readonly<Record<string, string | undefined>>
  beforeAll(async () => {
    s3 = await startS3('versitygw', { region: REGION })
    await s3.createBucket(BUCKET)
    folder = await mkdtemp(join(tmpdir(), 'writ-residency-'))
    const demand = { partition: 'aws-eusc', bucket_regions: [REGION], endpoints: [s3.endpoint] }
    const row = { ...demand, retention_days_min: 190, retention_days_max: 400 }
    const residency = join(folder, 'residency.json')
    await writeFile(residency, JSON.stringify({ version: 1, jurisdictions: { [REGION]: row } }))
    // The SDK reads its variables from the process itself, here and in the command line.
    before = Object.fromEntries(Object.keys(s3.env).map((name) => [name, process.env[name]]))
    Object.assign(process.env, s3.env)
    local = await startLocalStack('s3', { WRIT_STORE: STORE, WRIT_RESIDENCY: residency })
    await local.stack.untilReady()
  })
  afterAll(async () => {
    await local?.[Symbol.asyncDispose]()
    for (const [name, value] of Object.entries(before ?? {}))
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    await s3?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  const versions = async () => {
    const { Versions = [] } = await s3
      .client()
      .send(new ListObjectVersionsCommand({ Bucket: BUCKET, Prefix: 'plane-1/writ.local/' }))
    return Versions.map(({ Key = '', VersionId }) => ({ Bucket: BUCKET, Key, VersionId }))
  }

  test('says where it writes, and the self-test passed', async () => {
    expect(local.said.join('\n')).toContain(`The evidence is written to ${STORE}`)
    await until('the status is well', async () => (await local.writ(['status', '--fast'], { fails: true })).code === 0)
    const { json } = await local.writ(['status', '--fast'])
    expect(json).toMatchObject({ store: { proven: true, failed: [] }, legal_holds: [], problems: [] })
  })

  test('commands find it by the context, or by its URL alone', async () => {
    for (const place of [[], [STORE]]) {
      const { json } = await local.writ(['audit', 'verify', ...place])
      expect(json).toMatchObject({ ok: true, findings: [] })
      expect(json['size']).toBeGreaterThan(0)
    }
    const { out } = await local.writ(['doctor'], { fails: true })
    expect(out).toMatch(/entries of writ\.local\/eusc-de-east-1\/\d{4}h[12] are signed by the pinned key/)
    expect((await local.writ(['audit', 'tail', '-n', '3'])).out.split('\n').length).toBeGreaterThan(2)
  })

  test('an epoch under hold has every version in the bucket under hold, until it is released', async () => {
    const origin = local.stack.plane.logName
    const epoch = origin.split('/').at(-1) ?? ''
    const held = await versions()
    await local.writ(['audit', 'hold', epoch, '--reason', 'Case 17/2026.'])
    const status = async (of: Awaited<ReturnType<typeof versions>>) =>
      new Set(
        await Promise.all(
          of.map(async (each) => (await s3.client().send(new GetObjectLegalHoldCommand(each))).LegalHold?.Status),
        ),
      )
    expect(held.length).toBeGreaterThan(10)
    expect(await status(held)).toEqual(new Set(['ON']))
    expect((await local.writ(['status', '--fast'])).json).toMatchObject({ legal_holds: [epoch] })
    expect((await local.writ(['audit', 'holds'])).json).toMatchObject({
      holds: [{ epoch, origin, by: 'word', operator: 'root', signed_by_pinned: true }],
    })
    await local.writ(['audit', 'release', epoch, '--reason', 'Case 17/2026 is closed.'])
    expect(await status(held)).toEqual(new Set(['OFF']))
    expect((await local.writ(['audit', 'holds'])).json).toEqual({ holds: [] })
    expect((await local.writ(['audit', 'verify'])).json).toMatchObject({ ok: true })
  })
})
