import { randomFillSync } from 'node:crypto'

const BYTES = 16
const pool = Buffer.alloc(256 * BYTES)
let at = pool.length

/** 128 random bits, base64url. The generator is asked for a page of them at a time. */
export function randomToken(): string {
  if (at === pool.length) {
    randomFillSync(pool)
    at = 0
  }
  const token = pool.toString('base64url', at, at + BYTES)
  pool.fill(0, at, at + BYTES)
  at += BYTES
  return token
}

/** 64 random bits, hexadecimal. */
export function randomHex16(): string {
  return Buffer.from(randomToken(), 'base64url').toString('hex', 0, 8)
}
