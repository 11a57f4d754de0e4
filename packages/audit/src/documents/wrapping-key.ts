import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { Fault } from '@writ/contracts'
import { isKmsReference, type KmsKey, type KmsOptions, type KmsWrapper, openKmsWrapper } from '@writ/keys'

const KEY_BYTES = 32
const IV_BYTES = 12
const TAG_BYTES = 16
const FORMAT = 1

/**
 * The one key that wraps all subject keys of a region. Wrapped bytes open under the name they were wrapped for and under no other.
 * Losing it loses every sealed document; whoever has it and the store of wrapped keys reads them all.
 */
export interface WrappingKey {
  /** Where the key is, if that is KMS. */
  readonly kms?: KmsKey
  /** Wraps 32 bytes. Of a file: AES-256-GCM under a key of its own use, 61 bytes. Of KMS: its own form. Throws Fault `unavailable`. */
  wrap(name: string, key: Uint8Array): Promise<Uint8Array>
  /** Throws Fault `unavailable` when the bytes are not what `wrap` made for this name. */
  unwrap(name: string, wrapped: Uint8Array): Promise<Uint8Array>
  /** 32 bytes for one purpose (HKDF-SHA256, RFC 5869): the same each time, and telling nothing about the others. */
  derive(purpose: string): Promise<Uint8Array>
}

/** Where the secret lies, wrapped, from which a key in KMS derives: that key itself gives nothing away to derive from. */
export interface DerivationStore {
  get(keyId: string): Promise<Uint8Array | undefined>
  /** Durable before it resolves. False when there is a value already: then nothing is written. */
  create(keyId: string, wrapped: Uint8Array): Promise<boolean>
}

/** Under which id it lies among the subject keys. It is no subject's key, is never destroyed, and is given to no auditor: it makes pseudonyms. */
export const DERIVATION_ID = 'derivation'

export interface WrappingKeyOptions {
  /** Needed to derive with a key in KMS. */
  readonly store?: DerivationStore
  readonly kms?: KmsOptions
}

/**
 * `file:<path>` of exactly 32 random bytes, mode 0600, or `kms:<ARN, alias or key id>` of a symmetric key in AWS KMS. Throws Fault `malformed` and
 * `unavailable`.
 */
export async function openWrappingKey(reference: string, options: WrappingKeyOptions = {}): Promise<WrappingKey> {
  if (isKmsReference(reference)) return kmsWrappingKey(await openKmsWrapper(reference, options.kms), options.store)
  const path = reference.startsWith('file:') ? reference.slice('file:'.length) : undefined
  if (path === undefined)
    throw new Fault('malformed', { message: 'A wrapping key is file:<path> or kms:<key ARN or alias>.' })
  try {
    if (((await stat(path)).mode & 0o077) !== 0) {
      throw new Fault('unavailable', { message: `The wrapping key ${path} is open to others; make it mode 0600.` })
    }
    return wrappingKeyOf(await readFile(path))
  } catch (cause) {
    if (cause instanceof Fault) throw cause
    throw new Fault('unavailable', { message: `The wrapping key ${path} cannot be read.`, cause })
  }
}

export function wrappingKeyOf(secret: Uint8Array): WrappingKey {
  if (secret.length !== KEY_BYTES) throw new Fault('unavailable', { message: 'A wrapping key has exactly 32 bytes.' })
  const wrapping = deriveFrom(secret, 'wrap')
  return {
    wrap: async (name, key) => {
      const iv = randomBytes(IV_BYTES)
      const cipher = createCipheriv('aes-256-gcm', wrapping, iv).setAAD(Buffer.from(name))
      return Buffer.concat([Uint8Array.of(FORMAT), iv, cipher.update(key), cipher.final(), cipher.getAuthTag()])
    },
    unwrap: async (name, wrapped) => unwrap(wrapping, name, Buffer.from(wrapped)),
    derive: async (purpose) => deriveFrom(secret, purpose),
  }
}

/**
 * Derives from random bytes that were wrapped once and lie with the subject keys. All replicas find the same; whoever loses that store has lost what the
 * subject keys could open as well.
 */
function kmsWrappingKey({ kms, wrap, unwrap }: KmsWrapper, store: DerivationStore | undefined): WrappingKey {
  let secret: Promise<Uint8Array> | undefined
  const open = async (): Promise<Uint8Array> => {
    if (store === undefined)
      throw new Fault('unavailable', {
        message: 'A wrapping key in KMS derives nothing without the store of subject keys.',
      })
    let wrapped = await store.get(DERIVATION_ID)
    if (wrapped === undefined) {
      const made = await wrap(DERIVATION_ID, randomBytes(KEY_BYTES))
      // Of two replicas that make it at once one wins; both then use what is stored.
      wrapped = (await store.create(DERIVATION_ID, made)) ? made : await store.get(DERIVATION_ID)
    }
    if (wrapped === undefined)
      throw new Fault('unavailable', { message: 'The secret to derive from is not to be had now.' })
    return await keyBytes(unwrap(DERIVATION_ID, wrapped))
  }
  return {
    kms,
    wrap,
    unwrap: (name, wrapped) => keyBytes(unwrap(name, wrapped)),
    derive: async (purpose) => {
      secret ??= open().catch((error: unknown) => {
        secret = undefined
        throw error
      })
      return deriveFrom(await secret, purpose)
    },
  }
}

async function keyBytes(opened: Promise<Uint8Array>): Promise<Uint8Array> {
  const key = await opened
  if (key.length !== KEY_BYTES) throw new Fault('unavailable', { message: 'A wrapped key has another form.' })
  return key
}

function deriveFrom(secret: Uint8Array, purpose: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', secret, '', `writ.v1.${purpose}`, KEY_BYTES))
}

function unwrap(wrapping: Uint8Array, name: string, wrapped: Buffer): Uint8Array {
  const body = 1 + IV_BYTES
  if (wrapped.length !== body + KEY_BYTES + TAG_BYTES || wrapped[0] !== FORMAT) {
    throw new Fault('unavailable', { message: 'A wrapped key has another form.' })
  }
  try {
    const decipher = createDecipheriv('aes-256-gcm', wrapping, wrapped.subarray(1, body))
    decipher.setAAD(Buffer.from(name)).setAuthTag(wrapped.subarray(body + KEY_BYTES))
    return Buffer.concat([decipher.update(wrapped.subarray(body, body + KEY_BYTES)), decipher.final()])
  } catch (cause) {
    throw new Fault('unavailable', { message: 'A wrapped key does not open under this wrapping key.', cause })
  }
}
