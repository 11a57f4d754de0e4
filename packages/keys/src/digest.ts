import { hash } from 'node:crypto'
import type { JsonValue } from '@writ/contracts'
import canonicalize from 'canonicalize'

/** Unpadded base64url SHA-256. */
export function sha256(data: Uint8Array | string): string {
  return hash('sha256', data, 'base64url')
}

/** The RFC 8785 form of a JSON value. */
export function canonicalJson(value: JsonValue): string {
  return canonicalize(value) as string
}

/** Unpadded base64url SHA-256 of the RFC 8785 form: every `*_sha256` that is about a JSON value. */
export function jsonSha256(value: JsonValue): string {
  return sha256(canonicalJson(value))
}
