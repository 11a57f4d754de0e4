import { parseJws } from '@writ/keys'
import type { WormStore } from '@writ/worm-store'
import { expect } from 'vitest'
import { openCheckpoint } from '../core/checkpoint.ts'
import { leafHash, merkleRoot } from '../core/merkle.ts'
import type { NoteVerifier } from '../core/note.ts'
import { bundlePath, decodeBundle, fullTiles, partialWidth } from '../core/tiles.ts'
import { checkpointKey, tileKey } from '../log/log-keys.ts'

/** A log as an outsider reads it from any store, its checkpoint's signature and root checked. */
export interface StoredLog {
  readonly origin: string
  readonly size: number
  /** Compact JWS in the order of leaves. */
  readonly entries: readonly string[]
}

export async function readStoredLog(store: WormStore, origin: string, verifier: NoteVerifier): Promise<StoredLog> {
  const note = (await store.current(checkpointKey(origin)))?.bytes
  const { size, root } = openCheckpoint(Buffer.from(note ?? []).toString(), [verifier])
  const entries: Uint8Array[] = []
  const take = async (path: string, width: number): Promise<void> => {
    const bytes = await store.get(tileKey(origin, path))
    entries.push(...decodeBundle(bytes ?? new Uint8Array(), width))
  }
  for (let n = 0; n < fullTiles(0, size); n++) await take(bundlePath(n), 256)
  const width = partialWidth(0, size)
  if (width > 0) await take(bundlePath(fullTiles(0, size), width), width)
  expect(Buffer.from(merkleRoot(entries.map(leafHash))).equals(root), 'the root is that of the entries').toBe(true)
  return { origin, size, entries: entries.map((entry) => Buffer.from(entry).toString('latin1')) }
}

/** Exactly these messages, each once, beside the writers' own. */
export function expectEachOnce({ entries }: StoredLog, wanted: readonly string[]): void {
  const others = entries.filter((entry) => !String(parseJws(entry, 64_000).payload['source']).startsWith('audit-sink/'))
  expect(others.toSorted()).toEqual(wanted.toSorted())
  expect(new Set(entries).size).toBe(entries.length)
}

/**
 * Every note that was ever signed, stored or not, is about a beginning of this log: so any two of them are consistent.
 * @param signed texts of notes
 */
export function expectNoFork({ origin, entries }: StoredLog, signed: readonly string[]): void {
  const leaves = entries.map((entry) => leafHash(Buffer.from(entry, 'latin1')))
  const ours = new Set(signed.filter((text) => text.startsWith(`${origin}\n`)))
  expect(ours.size).toBeGreaterThan(0)
  for (const text of ours) {
    const [, size = '', root] = text.split('\n')
    expect(Number(size), 'nothing larger was signed than is shown').toBeLessThanOrEqual(entries.length)
    const here = merkleRoot(leaves.slice(0, Number(size)))
    expect(root, `what was signed at size ${size}`).toBe(Buffer.from(here).toString('base64'))
  }
}

/** The shown checkpoint never turned back. */
export async function expectForward(store: WormStore, origin: string, verifier: NoteVerifier): Promise<void> {
  let last = 0
  for await (const version of store.versions(checkpointKey(origin))) {
    const { size } = openCheckpoint(Buffer.from(version).toString(), [verifier])
    expect(size).toBeGreaterThanOrEqual(last)
    last = size
  }
  expect(last).toBeGreaterThan(0)
}
