import { type Authority, verifyService } from '@writ/authority'
import type { Bucket } from '@writ/bus'
import { isFault, tokenMessage } from '@writ/contracts'
import { openMessage } from '@writ/keys'
import { isTokenKey, parseTokenValue, parseUseValue } from '../core/uses.ts'
import type { Uses } from '../ports.ts'
import type { IndexEntry } from './redis-index.ts'

const TOKENS_MAX = 5000

/** The flushed bucket `uses`. A token's value is created once and never changes, so those met last are answered from memory. */
export function bucketUses(bucket: Bucket): Uses {
  const tokens = new Map<string, Uint8Array>()
  const keep = (key: string, value: Uint8Array | undefined): void => {
    if (value === undefined || !isTokenKey(key)) return
    tokens.set(key, value)
    if (tokens.size > TOKENS_MAX) tokens.delete(tokens.keys().next().value as string)
  }
  return {
    create: async (key, value) => {
      const created = (await bucket.create(key, value)) !== 'exists'
      if (created) keep(key, Buffer.from(value))
      return created
    },
    get: async (key) => {
      const known = tokens.get(key)
      if (known !== undefined) return known
      const value = (await bucket.get(key))?.value
      keep(key, value)
      return value
    },
  }
}

/** Everything in the bucket that an index of tokens holds; what cannot be read, or no issuer has signed, is left out. */
export async function* indexEntries(bucket: Bucket, authority: Authority): AsyncGenerator<IndexEntry, void> {
  for await (const { key, value } of bucket.entries()) {
    const entry = indexEntry(key, value, authority)
    if (entry !== undefined) yield entry
  }
}

function indexEntry(key: string, value: Uint8Array, authority: Authority): IndexEntry | undefined {
  if (key.endsWith('.ended')) return undefined
  try {
    return isTokenKey(key) ? tokenEntry(value, authority) : useEntry(key, value)
  } catch (error) {
    if (isFault(error)) return undefined
    throw error
  }
}

function tokenEntry(value: Uint8Array, authority: Authority): IndexEntry | undefined {
  const minted = parseTokenValue(value)
  if ('closed' in minted) return undefined
  const { claims } = verifyService(authority, 'token-issuer', openMessage(tokenMessage, minted.token))
  return { kind: 'token', tokenId: claims.jti, agentId: claims.sub, iat: claims.iat, token: minted.token }
}

function useEntry(key: string, value: Uint8Array): IndexEntry | undefined {
  const use = parseUseValue(value)
  return 'closed' in use ? undefined : { kind: 'use', key, digest: use.redeem }
}
