import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { Fault } from '@writ/contracts'

const KEY_BYTES = 32
const IV_BYTES = 12
const TAG_BYTES = 16
const FORMAT = 1

/**
 * The one key that wraps all subject keys of a region. Wrapped bytes open under the name they were wrapped for and under no other.
 * Losing it loses every sealed document; whoever has it and the store of wrapped keys reads them all.
 */
export interface WrappingKey {
  /** AES-256-GCM under a key of its own use; 61 bytes for a 32-byte key. */
  wrap(name: string, key: Uint8Array): Promise<Uint8Array>
  /** Throws Fault `unavailable` when the bytes are not what `wrap` made for this name. */
  unwrap(name: string, wrapped: Uint8Array): Promise<Uint8Array>
  /** 32 bytes for one purpose (HKDF-SHA256, RFC 5869): the same each time, and telling nothing about the others. */
  derive(purpose: string): Promise<Uint8Array>
}

/** `file:<path>` of exactly 32 random bytes, mode 0600. Throws Fault `unavailable`. */
export async function openWrappingKey(reference: string): Promise<WrappingKey> {
  const path = reference.startsWith('file:') ? reference.slice('file:'.length) : undefined
  if (path === undefined) {
    throw new Fault('unavailable', { message: 'A wrapping key is file:<path>; kms: keys are not supported yet.' })
  }
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
  const derive = (purpose: string) => new Uint8Array(hkdfSync('sha256', secret, '', `writ.v1.${purpose}`, KEY_BYTES))
  const wrapping = derive('wrap')
  return {
    wrap: async (name, key) => {
      const iv = randomBytes(IV_BYTES)
      const cipher = createCipheriv('aes-256-gcm', wrapping, iv).setAAD(Buffer.from(name))
      return Buffer.concat([Uint8Array.of(FORMAT), iv, cipher.update(key), cipher.final(), cipher.getAuthTag()])
    },
    unwrap: async (name, wrapped) => unwrap(wrapping, name, Buffer.from(wrapped)),
    derive: async (purpose) => derive(purpose),
  }
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
