import { afterEach, expect, test, vi } from 'vitest'
import { openS3Client } from './s3-client.ts'
import { parseS3Url, s3Url } from './s3-place.ts'

afterEach(() => vi.unstubAllEnvs())

test.each([
  ['s3://bucket', { bucket: 'bucket', prefix: '' }],
  ['s3://bucket/', { bucket: 'bucket', prefix: '' }],
  ['s3://my.bucket-1/writ/prod', { bucket: 'my.bucket-1', prefix: 'writ/prod' }],
  ['s3://bucket/prefix/', { bucket: 'bucket', prefix: 'prefix' }],
])('%s names a bucket and a prefix', (url, place) => {
  expect(parseS3Url(url)).toEqual(place)
  expect(parseS3Url(s3Url(place))).toEqual(place)
})

test.each([
  's3:bucket',
  's3://',
  's3:///prefix',
  's3://B/prefix',
  's3://bucket/a//b',
  's3://bucket/../x',
  's3://bucket/.hidden',
  's3://key:secret@bucket/x',
  's3://arn:aws:s3:eu-central-1:123456789012:accesspoint/x',
  'https://bucket.s3.amazonaws.com/x',
])('refuses %s, without quoting it', (url) => {
  expect(() => parseS3Url(url)).toThrow(
    expect.objectContaining({ code: 'malformed', message: expect.not.stringContaining('secret') }),
  )
})

test('without a region there is no client, and the message says which variable to set', async () => {
  for (const name of ['AWS_REGION', 'AWS_PROFILE']) vi.stubEnv(name, undefined)
  vi.stubEnv('AWS_CONFIG_FILE', '/nonexistent')
  vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', '/nonexistent')
  await expect(openS3Client()).rejects.toThrow('set AWS_REGION')
})

test('the European Sovereign Cloud and the other partitions are resolved by the SDK from the region alone', async () => {
  const hostIn = async (region: string): Promise<string> => {
    const { config } = await openS3Client({ region })
    return config.endpointProvider({ Region: region, Bucket: 'evidence' }).url.hostname
  }
  expect(await hostIn('eusc-de-east-1')).toBe('evidence.s3.eusc-de-east-1.amazonaws.eu')
  expect(await hostIn('eu-central-1')).toBe('evidence.s3.eu-central-1.amazonaws.com')
  expect(await hostIn('cn-north-1')).toBe('evidence.s3.cn-north-1.amazonaws.com.cn')
  // The rules of access points compare partitions, and say which one the region is in.
  const { config } = await openS3Client({ region: 'eusc-de-east-1' })
  expect(() =>
    config.endpointProvider({
      Region: 'eusc-de-east-1',
      Bucket: 'arn:aws:s3:us-east-1:123456789012:accesspoint:a',
      UseArnRegion: true,
    }),
  ).toThrow(/partition `aws-eusc`/)
})
