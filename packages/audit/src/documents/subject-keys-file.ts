import { readFile } from 'node:fs/promises'
import { Fault, isFault } from '@writ/contracts'
import { writeFileDurably } from '@writ/durable'
import { fromBase64url, parseIJson, toBase64url } from '@writ/keys'
import type { SubjectKey } from './subject-keys.ts'

/**
 * Subject keys for a reader of the log (`writ audit verify --subject-keys FILE`): a JWK Set (RFC 7517) of `oct` keys with `kid`. Secret:
 * written with mode 0600.
 */
export async function writeSubjectKeysFile(path: string, keys: readonly SubjectKey[]): Promise<void> {
  const set = { keys: keys.map(({ kid, key }) => ({ kty: 'oct', kid, k: toBase64url(key) })) }
  await writeFileDurably(path, `${JSON.stringify(set, null, 2)}\n`)
}

/** Throws Fault `unavailable` when the file cannot be read and `malformed` when it holds anything but 32-byte `oct` keys. */
export async function readSubjectKeysFile(path: string): Promise<ReadonlyMap<string, Uint8Array>> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new Fault('unavailable', { message: `The subject keys file ${path} cannot be read.`, cause })
  })
  return parseSubjectKeys(bytes)
}

export function parseSubjectKeys(bytes: Uint8Array): ReadonlyMap<string, Uint8Array> {
  try {
    const { keys } = parseIJson(bytes)
    if (!Array.isArray(keys)) throw malformed('It is no JWK Set')
    const found = keys.map(readKey)
    if (new Set(found.map(([kid]) => kid)).size !== found.length) throw malformed('It names a key twice')
    return new Map(found)
  } catch (cause) {
    throw isFault(cause) ? cause : malformed('It is no JWK Set', cause)
  }
}

function readKey(jwk: unknown): [string, Uint8Array] {
  const { kty, kid, k } = Object(jwk) as Record<string, unknown>
  if (kty !== 'oct' || typeof kid !== 'string' || typeof k !== 'string') throw malformed('A key is not oct with kid')
  const key = fromBase64url(k)
  if (key.length !== 32) throw malformed('A key has not 32 bytes')
  return [kid, key]
}

function malformed(why: string, cause?: unknown): Fault {
  return new Fault('malformed', { message: `Not a subject keys file. ${why}.`, cause })
}
