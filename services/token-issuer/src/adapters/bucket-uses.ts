import { type Authority, verifyService } from '@writ/authority'
import type { Bucket } from '@writ/bus'
import { isFault, tokenMessage } from '@writ/contracts'
import { openMessage } from '@writ/keys'
import { isTokenKey, parseTokenValue, parseUseValue } from '../core/uses.ts'
import type { Uses } from '../ports.ts'
import type { IndexEntry } from './redis-index.ts'

/** The flushed bucket `uses`. */
export function bucketUses(bucket: Bucket): Uses {
  return {
    create: async (key, value) => (await bucket.create(key, value)) !== 'exists',
    get: async (key) => (await bucket.get(key))?.value,
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
