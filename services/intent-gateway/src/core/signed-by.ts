import { isFault, type PublicJwk } from '@writ/contracts'
import { algorithmOf, sha256, thumbprint, verifies } from '@writ/keys'

/**
 * The digest of a message that one of these keys signed, whatever else is wrong with it: three segments, a header that names
 * `alg` and `kid` of the key, and its signature (CONTRACT "Intent"). Nothing in it is to be believed. Never throws on hostile bytes.
 */
export function digestIfSignedBy(keys: readonly PublicJwk[], body: Uint8Array, bytesMax: number): string | undefined {
  if (body.byteLength > bytesMax) return undefined
  const [header, payload, signature, ...more] = Buffer.from(body).toString('latin1').split('.')
  if (header === undefined || payload === undefined || signature === undefined || more.length > 0) return undefined
  const { alg, kid } = headerOf(header)
  const key = keys.find((candidate) => thumbprint(candidate) === kid)
  if (key === undefined || algorithmOf(key) !== alg) return undefined
  const input = Buffer.from(`${header}.${payload}`, 'latin1')
  return isBy(key, input, Buffer.from(signature, 'base64url')) ? sha256(input) : undefined
}

/** Also no for a key in a record that is not a point of its curve. */
function isBy(key: PublicJwk, input: Buffer, signature: Buffer): boolean {
  try {
    return verifies(input, signature, key)
  } catch (error) {
    if (isFault(error)) return false
    throw error
  }
}

function headerOf(segment: string): { readonly alg?: unknown; readonly kid?: unknown } {
  try {
    return Object(JSON.parse(Buffer.from(segment, 'base64url').toString('utf8'))) as object
  } catch {
    return {}
  }
}
