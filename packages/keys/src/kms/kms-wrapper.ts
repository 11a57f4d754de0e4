import { Fault } from '@writ/contracts'
import type { KmsOptions } from './guard.ts'
import { KmsConnection } from './kms-connection.ts'
import type { KmsKey } from './kms-key.ts'

/** Wraps small secrets under a symmetric key that never leaves KMS. What was wrapped under one name opens under no other. */
export interface KmsWrapper {
  readonly kms: KmsKey
  /** At most 4,096 bytes. The name is the encryption context: AWS writes it, in the clear, into its own logs. Throws Fault `unavailable`. */
  wrap(name: string, secret: Uint8Array): Promise<Uint8Array>
  /** Throws Fault `unavailable` when KMS does not answer, or the bytes are not what `wrap` made for this name. */
  unwrap(name: string, wrapped: Uint8Array): Promise<Uint8Array>
}

/** A symmetric key in AWS KMS. Faults of `KmsConnection.open`. */
export async function openKmsWrapperHere(reference: string, options: KmsOptions): Promise<KmsWrapper> {
  const connection = await KmsConnection.open(reference, 'ENCRYPT_DECRYPT', ['SYMMETRIC_DEFAULT'], options)
  const context = (name: string) => ({ writ: name })
  return {
    kms: connection.key,
    wrap: async (name, secret) => {
      const wrapped = await connection.encrypt(secret, context(name))
      // What was sealed under a key that does not open is lost: nothing is stored before it was opened once.
      if (Buffer.compare(await connection.decrypt(wrapped, context(name)), secret) !== 0)
        throw new Fault('unavailable', { message: `KMS key ${connection.label}: what it wrapped does not open.` })
      return wrapped
    },
    unwrap: (name, wrapped) => connection.decrypt(wrapped, context(name)),
  }
}
