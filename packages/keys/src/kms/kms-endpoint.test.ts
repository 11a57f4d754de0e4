import { KMSClient } from '@aws-sdk/client-kms'
import { expect, test } from 'vitest'

test.each([
  ['eusc-de-east-1', 'kms.eusc-de-east-1.amazonaws.eu'],
  ['eu-central-1', 'kms.eu-central-1.amazonaws.com'],
  ['cn-north-1', 'kms.cn-north-1.amazonaws.com.cn'],
])('the KMS of %s is resolved by the SDK from the region alone', (region, host) => {
  const { config } = new KMSClient({ region })
  expect(config.endpointProvider({ Region: region }).url.hostname).toBe(host)
})
