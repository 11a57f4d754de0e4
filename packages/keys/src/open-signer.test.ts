import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { generateJwk, openSigner, thumbprint, writeKeyFile } from './index.ts'

vi.mock('@aws-sdk/client-kms', () => {
  throw new Error('the AWS SDK is being loaded')
})

test('loads the AWS SDK for a key in KMS and for nothing else', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'writ-signer-'))
  try {
    const path = join(folder, 'key.jwk')
    const jwk = generateJwk('ES256')
    await writeKeyFile(path, jwk)
    expect((await openSigner(`file:${path}`)).kid).toBe(thumbprint(jwk))
    await expect(openSigner('kms:alias/x')).rejects.toThrow(
      expect.objectContaining({ cause: expect.objectContaining({ message: 'the AWS SDK is being loaded' }) }),
    )
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
