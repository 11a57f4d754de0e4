import { Fault } from '@writ/contracts'
import { readKeyFile } from './key-file.ts'
import type { KmsOptions } from './kms/guard.ts'
import type { KmsWrapper } from './kms/kms-wrapper.ts'
import { type Signer, signerOf } from './signer.ts'

/** Whether a key reference means a key in AWS KMS. */
export function isKmsReference(reference: string): boolean {
  return reference.startsWith('kms:')
}

/**
 * The key of a reference: `file:<path>` of a private JWK, or `kms:<ARN, alias or key id>` of an Ed25519 or P-256 signing key in AWS KMS. Region,
 * credentials and endpoint of KMS are those that the AWS SDK finds; an ARN names its own region. Throws Fault `malformed` or `unavailable`.
 */
export async function openSigner(reference: string, kms: KmsOptions = {}): Promise<Signer> {
  if (reference.startsWith('file:')) return signerOf(await readKeyFile(reference.slice('file:'.length)))
  if (isKmsReference(reference)) {
    const { openKmsSigner } = await import('./kms/index.ts')
    return openKmsSigner(reference, kms)
  }
  throw new Fault('malformed', { message: 'A key reference is file:<path> or kms:<key ARN or alias>.' })
}

/** The symmetric KMS key of a `kms:` reference. Throws Fault `malformed` or `unavailable`. */
export async function openKmsWrapper(reference: string, kms: KmsOptions = {}): Promise<KmsWrapper> {
  const { openKmsWrapperHere } = await import('./kms/index.ts')
  return openKmsWrapperHere(reference, kms)
}
