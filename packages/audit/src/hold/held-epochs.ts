import { isFault } from '@writ/contracts'
import type { WormStore } from '@writ/worm-store'
import { EPOCH, originOf } from '../core/epoch.ts'
import { sealKey } from '../log/log-keys.ts'
import { holdKey, holdsPrefix, openHold, type UnverifiedHold } from './hold-record.ts'

/** An epoch whose objects must not be removed, nor the keys destroyed that open its documents. */
export interface HeldEpoch {
  readonly epoch: string
  readonly origin: string
  /** Why it counts as held: an operator's word, or the storage's own hold on its first seal, which somebody may have placed without this tool. */
  readonly by: 'word' | 'storage' | 'unreadable word'
  /** The last word that could be read. */
  readonly word?: UnverifiedHold
}

/** Whether an operator's word to release is believed. A word to hold always is: whoever should not have said it has only kept something. */
export type BelievesRelease = (word: UnverifiedHold) => boolean

/**
 * Epochs of a region under legal hold, of one log's domain or of all that the store holds, oldest first. What cannot be decided counts as held. Throws Fault `unavailable` when the store does not answer.
 *
 * Signatures are not checked unless `believes` does. Who may write to the store and lift the storage's holds can end a hold all the same; only the
 * account that owns the bucket can keep him from it.
 */
export async function heldEpochs(
  store: WormStore,
  { domain, region }: { readonly domain?: string; readonly region: string },
  believes: BelievesRelease = () => true,
): Promise<readonly HeldEpoch[]> {
  const held: HeldEpoch[] = []
  for (const name of domain === undefined ? await domainsIn(store) : [domain])
    for await (const child of store.list(`${name}/${region}/`)) {
      const epoch = child.endsWith('.meta/') ? child.slice(0, -'.meta/'.length) : ''
      if (!EPOCH.test(epoch)) continue
      const found = await heldEpoch(store, originOf({ domain: name, region }, epoch), epoch, believes)
      if (found !== undefined) held.push(found)
    }
  return held
}

async function domainsIn(store: WormStore): Promise<readonly string[]> {
  const domains: string[] = []
  for await (const child of store.list('')) if (child.endsWith('/')) domains.push(child.slice(0, -1))
  return domains
}

async function heldEpoch(
  store: WormStore,
  origin: string,
  epoch: string,
  believes: BelievesRelease,
): Promise<HeldEpoch | undefined> {
  const { words, unreadable } = await readHolds(store, origin)
  const last = words.findLast((word) => word.action === 'hold' || believes(word))
  const own = { epoch, origin, ...(last !== undefined && { word: last }) }
  if (unreadable) return { ...own, by: 'unreadable word' }
  if (last?.action === 'hold') return { ...own, by: 'word' }
  // Lifted last: as long as a release is not finished, its epoch is held.
  return (await store.held(sealKey(origin, 1))) ? { ...own, by: 'storage' } : undefined
}

/** Every word about an epoch, in order. `unreadable`: the last one cannot be read. Words whose own retention has ended may be gone. */
export async function readHolds(
  store: WormStore,
  origin: string,
): Promise<{ readonly words: readonly UnverifiedHold[]; readonly unreadable: boolean; readonly next: number }> {
  const words: UnverifiedHold[] = []
  let unreadable = false
  let next = 1
  for await (const name of store.list(holdsPrefix(origin))) {
    if (!/^\d{12}$/.test(name)) continue
    const n = Number(name)
    next = n + 1
    try {
      words.push(openHold((await store.get(holdKey(origin, n))) ?? new Uint8Array(), origin, n))
      unreadable = false
    } catch (error) {
      if (!isFault(error) || error.code === 'unavailable') throw error
      unreadable = true
    }
  }
  return { words, unreadable, next }
}
