import { expect, test } from 'vitest'
import { openSigner } from '../index.ts'
import { labelOf, parseKmsReference, partsOfKeyArn } from './kms-key.ts'

const ID = '0123abcd-0123-4567-89ab-0123456789ab'
const ARN = `arn:aws-eusc:kms:eusc-de-east-1:111122223333:key/${ID}`

test.each([
  [`kms:${ARN}`, 'eusc-de-east-1'],
  ['kms:arn:aws:kms:us-east-1:111122223333:alias/writ/log', 'us-east-1'],
  ['kms:alias/writ-log', undefined],
  [`kms:${ID}`, undefined],
  [`kms:mrk-${ID.replaceAll('-', '')}`, undefined],
])('reads %s, and the region where it names one', (reference, region) => {
  expect(parseKmsReference(reference)).toEqual({ keyId: reference.slice(4), ...(region && { region }) })
})

test.each([
  'kms:',
  'kms:writ-log',
  'kms:alias/',
  'kms:alias/a b',
  `kms:${ARN}\n`,
  `kms:arn:aws:s3:us-east-1:111122223333:key/${ID}`,
  `kms:arn:aws:kms::111122223333:key/${ID}`,
  `kms:arn:aws:kms:us-east-1:1:key/${ID}`,
  `KMS:${ARN}`,
  ARN,
  'vault:x',
])('refuses %j', async (reference) => {
  expect(() => parseKmsReference(reference)).toThrow(expect.objectContaining({ code: 'malformed' }) as Error)
  await expect(openSigner(reference)).rejects.toMatchObject({ code: 'malformed' })
})

test('takes an ARN apart, of a key only, and names keys without their account', () => {
  expect(partsOfKeyArn(ARN)).toEqual({
    arn: ARN,
    partition: 'aws-eusc',
    region: 'eusc-de-east-1',
    account: '111122223333',
  })
  expect(partsOfKeyArn(ARN.replace('key/', 'alias/'))).toBeUndefined()
  expect(labelOf(ARN)).toBe(`key/${ID}`)
  expect(labelOf('alias/writ/log')).toBe('alias/writ/log')
})
