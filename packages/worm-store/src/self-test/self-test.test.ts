import type { ResidencyDemand } from '@writ/contracts'
import { describe, expect, test } from 'vitest'
import { ask } from './answer.ts'
import { partitionOf } from './bucket-facts.ts'
import { directoryResults, passes, problemOf, statementOf } from './check-result.ts'
import { keyFact } from './key-facts.ts'

const refusal = (name: string, httpStatusCode: number | undefined, message = 'Access Denied'): Error =>
  Object.assign(new Error(message), { name, $metadata: { httpStatusCode } })
const asked = (error: Error) => ask('DeleteObject', 'k', () => Promise.reject(error))

describe('an answer of S3', () => {
  test('says of a refusal whether a policy made it, as far as S3 tells', async () => {
    const denied =
      'User: arn:aws:sts::1:assumed-role/sink/x is not authorized to perform: s3:DeleteObjectVersion on resource: "arn:aws:s3:::b/k" with an explicit deny in a resource-based policy'
    expect(await asked(refusal('AccessDenied', 403, denied))).toEqual({
      status: 403,
      code: 'AccessDenied',
      byPolicy: true,
    })
    const locked = 'Access Denied because object protected by object lock.'
    expect(await asked(refusal('AccessDenied', 403, locked))).toMatchObject({ byPolicy: false })
    expect(await asked(refusal('AccessDenied', 403))).toMatchObject({ byPolicy: false })
  })

  test.each([
    ['ExpiredToken', 400],
    ['SignatureDoesNotMatch', 403],
    ['InvalidAccessKeyId', 403],
    ['RequestTimeTooSkewed', 403],
    ['SlowDown', 503],
    ['InternalError', 500],
    ['TooManyRequests', 429],
    ['OperationAborted', 409],
    ['ECONNREFUSED', undefined],
  ])('that is %s %s proves nothing', async (name, status) => {
    await expect(asked(refusal(name, status))).rejects.toMatchObject({ code: 'unavailable' })
  })
})

describe('what is said of results', () => {
  test('a directory is what it is, and the log is told under which word it is used', () => {
    const results = directoryResults()
    expect(passes(results)).toBe(false)
    expect(statementOf('directory', results, { unproven: 'local-stack' })).toEqual({
      kind: 'directory',
      proven: false,
      failed: ['directory'],
      unproven: 'local-stack',
    })
    expect(problemOf(results)).toContain('a directory, which its owner can change')
  })

  test('what a policy answered passes, and is told apart', () => {
    const results = [
      { check: 'delete_version', state: 'by policy', expected: 'refused', observed: '' },
      { check: 'versioning', state: 'ok', expected: 'Enabled', observed: 'Enabled' },
    ] as const
    expect(statementOf('s3', results, { unproven: 'x' })).toEqual({
      kind: 's3',
      proven: true,
      failed: [],
      by_policy: ['delete_version'],
    })
  })
})

describe('a key that signs the log', () => {
  const demand: ResidencyDemand = {
    partition: 'aws-eusc',
    bucket_regions: ['eusc-de-east-1'],
    retention_days_min: 1,
    retention_days_max: 2,
    keys: { regions: ['eusc-de-east-1'], specs: ['ECC_NIST_EDWARDS25519'] },
  }
  const key = { region: 'eusc-de-east-1', partition: 'aws-eusc', spec: 'ECC_NIST_EDWARDS25519', multiRegion: false }

  test('is taken where it is what the jurisdiction demands', () => {
    expect(keyFact('log_key', key, demand)).toMatchObject({ check: 'log_key', state: 'ok' })
  })

  test.each([
    ['of another region', { ...key, region: 'eu-central-1', partition: 'aws' }],
    ['of another partition, whatever its region is called', { ...key, partition: 'aws' }],
    ['of another kind', { ...key, spec: 'ECC_NIST_P256' }],
    ['with copies in other regions', { ...key, multiRegion: true }],
    ['in a file', undefined],
  ])('is refused %s', (_, described) => {
    expect(keyFact('cosign_key', described, demand)).toMatchObject({ check: 'cosign_key', state: 'failed' })
  })

  test('is a file, and none in a KMS, where the jurisdiction names no place for keys', () => {
    const { keys: _, ...rest } = demand
    expect(keyFact('log_key', undefined, rest)).toMatchObject({ state: 'ok' })
    expect(keyFact('log_key', key, rest)).toMatchObject({ state: 'failed', expected: 'a key file' })
  })
})

test('the SDK knows the partition of a region', () => {
  expect(['eusc-de-east-1', 'eu-central-1', 'us-gov-west-1'].map(partitionOf)).toEqual([
    'aws-eusc',
    'aws',
    'aws-us-gov',
  ])
})
