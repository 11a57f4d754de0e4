const INTEGER = 0x02
const SEQUENCE = 0x30
const PART_BYTES = 32

/**
 * The ASN.1 DER of a P-256 signature (RFC 3279 section 2.2.3) as r‖s, 64 bytes (RFC 7518 section 3.4). Undefined for anything that is not exactly its one
 * encoding. Says nothing about whether the signature verifies.
 */
export function ecdsaFromDer(der: Uint8Array): Uint8Array | undefined {
  if (der[0] !== SEQUENCE || der[1] !== der.length - 2) return undefined
  const r = integerAt(der, 2)
  const s = r && integerAt(der, r.end)
  if (r === undefined || s === undefined || s.end !== der.length) return undefined
  const raw = new Uint8Array(2 * PART_BYTES)
  raw.set(r.value, PART_BYTES - r.value.length)
  raw.set(s.value, 2 * PART_BYTES - s.value.length)
  return raw
}

/** A positive integer of at most 32 bytes, without the zero that keeps it positive. */
function integerAt(der: Uint8Array, at: number): { readonly value: Uint8Array; readonly end: number } | undefined {
  const length = der[at + 1] ?? 0
  const end = at + 2 + length
  if (der[at] !== INTEGER || length === 0 || end > der.length) return undefined
  const [first = 0, second = 0] = der.subarray(at + 2, end)
  if (first >= 0x80 || (first === 0 && length > 1 && second < 0x80)) return undefined
  const value = der.subarray(first === 0 ? at + 3 : at + 2, end)
  return value.length > PART_BYTES ? undefined : { value, end }
}

/** r‖s of a P-256 signature as ASN.1 DER. Throws RangeError unless it has 64 bytes. */
export function ecdsaToDer(raw: Uint8Array): Uint8Array {
  if (raw.length !== 2 * PART_BYTES) throw new RangeError('a P-256 signature has 64 bytes')
  const parts = [...encodeInteger(raw.subarray(0, PART_BYTES)), ...encodeInteger(raw.subarray(PART_BYTES))]
  return Uint8Array.of(SEQUENCE, parts.length, ...parts)
}

function encodeInteger(value: Uint8Array): number[] {
  const at = value.findIndex((byte) => byte !== 0)
  const bytes = at < 0 ? [0] : [...value.subarray(at)]
  const positive = (bytes[0] ?? 0) >= 0x80 ? [0, ...bytes] : bytes
  return [INTEGER, positive.length, ...positive]
}
