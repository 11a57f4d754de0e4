import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { KmsKey } from '@writ/keys'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { keyResidency } from './key-residency.ts'
import { createLogger } from './logger.ts'

const REGION = 'eusc-de-east-1'
const key: KmsKey = {
  arn: 'arn:aws-eusc:kms:eusc-de-east-1:111111111111:key/00000000-0000-0000-0000-000000000000',
  partition: 'aws-eusc',
  region: REGION,
  account: '111111111111',
  spec: 'SYMMETRIC_DEFAULT',
  usage: 'ENCRYPT_DECRYPT',
  multiRegion: false,
}
const log = createLogger({ service: 'test', level: 'silent' })

describe('a key in a KMS', () => {
  let dir: string
  let residency: string
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'writ-residency-'))
    residency = join(dir, 'residency.json')
    const demand = {
      partition: 'aws-eusc',
      bucket_regions: [REGION],
      retention_days_min: 190,
      retention_days_max: 2284,
      keys: { regions: [REGION], specs: ['ECC_NIST_P256'] },
    }
    await writeFile(residency, JSON.stringify({ version: 1, jurisdictions: { [REGION]: demand } }))
  })
  afterAll(() => rm(dir, { recursive: true, force: true }))

  test('is taken where the jurisdiction has its keys', async () => {
    const accept = await keyResidency({ mode: 'production', residency }, REGION, log)
    expect(() => accept(key)).not.toThrow()
  })

  test.each<[string, KmsKey, string]>([
    ['in another region', { ...key, region: 'eusc-de-east-2' }, 'it is in eusc-de-east-2, not in eusc-de-east-1'],
    ['in another partition', { ...key, partition: 'aws' }, 'it is in the partition aws, not in aws-eusc'],
    ['that may be copied elsewhere', { ...key, multiRegion: true }, 'it may be copied to other regions'],
  ])('%s is refused in production, and in development is not', async (_, other, why) => {
    const strict = await keyResidency({ mode: 'production', residency }, REGION, log)
    expect(() => strict(other)).toThrow(`The wrapping key is not taken: ${why}.`)
    const lenient = await keyResidency({ mode: 'development', residency }, REGION, log)
    expect(() => lenient(other)).not.toThrow()
  })

  test.each<[string, KmsKey, string]>([
    ['here', key, 'the table says of no region that keys in a KMS may be there'],
    ['of another partition', { ...key, partition: 'aws' }, 'it is in the partition aws, not in aws-eusc'],
    ['that may be copied elsewhere', { ...key, multiRegion: true }, 'it may be copied to other regions'],
  ])('%s is refused in production where the table names no place for keys', async (_, other, why) => {
    const bare = join(dir, 'bare.json')
    const demand = {
      partition: 'aws-eusc',
      bucket_regions: [REGION],
      retention_days_min: 190,
      retention_days_max: 2284,
    }
    await writeFile(bare, JSON.stringify({ version: 1, jurisdictions: { [REGION]: demand } }))
    const strict = await keyResidency({ mode: 'production', residency: bare }, REGION, log)
    expect(() => strict(other)).toThrow(`The wrapping key is not taken: ${why}.`)
  })

  test('is refused in production where nothing says what is demanded', async () => {
    const without = await keyResidency({ mode: 'production' }, REGION, log)
    expect(() => without(key)).toThrow('WRIT_RESIDENCY is needed')
    const elsewhere = await keyResidency({ mode: 'production', residency }, 'us-east-1', log)
    expect(() => elsewhere(key)).toThrow('does not know us-east-1')
  })

  test('is judged by a table that can be read, or the start is refused', async () => {
    await expect(keyResidency({ mode: 'production', residency: join(dir, 'none') }, REGION, log)).rejects.toMatchObject(
      {
        code: 'malformed',
      },
    )
  })
})
