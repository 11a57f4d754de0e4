import { setTimeout as sleep } from 'node:timers/promises'
import { Fault } from '@writ/contracts'
import { formatCheckpoint, openCheckpoint } from '../core/checkpoint.ts'
import { type Appended, append, type Edge, type TileObject } from '../core/edge.ts'
import type { LogFiles } from './log-files.ts'
import { checkpointCopyKey, checkpointKey, tileKey } from './log-keys.ts'
import { type LogState, loadEdge, sameTree, stateAfter, treeHeadOf } from './log-state.ts'
import { LogStopped } from './log-stopped.ts'
import type { NoteSigner } from './note-signer.ts'
import type { Seal, Staged, TreeHead } from './seal.ts'
import { signedCopy, signedTree } from './signed-tree.ts'

const PARALLEL_MAX = 16
/** Writers of one log are few, and each moves its checkpoint forward or finds it there. */
const SHOW_TRIES_MAX = 16
const SHOW_WAIT_MS = 20

export interface FinishedSeal {
  readonly state: LogState
  /** The signed checkpoint as it is in the store. */
  readonly checkpoint: string
}

/**
 * Finishes a reserved seal, whoever reserved it, from wherever its writer stopped: every write is create-only with bytes that follow from the seal, so
 * doing it twice, or by two writers at once, gives the same objects. Throws LogStopped where the store contradicts the seal.
 * `appended`: what `staged` adds, where the caller has computed it already.
 */
export async function finishSeal(
  files: LogFiles,
  signer: NoteSigner,
  before: LogState,
  seal: Seal,
  { staged, appended = appendStaged(before, staged) }: { readonly staged: Staged; readonly appended?: Appended },
): Promise<FinishedSeal> {
  if (seal.n !== before.n + 1 || !sameTree(seal.previous, treeHeadOf(before.edge))) {
    throw new LogStopped(files.origin, { message: `seal ${seal.n} does not follow from seal ${before.n}` })
  }
  // 1. What the seal adds: a pure function of the state before and the batch.
  const { edge, objects } = appended
  if (!sameTree(seal.next, treeHeadOf(edge)))
    throw new LogStopped(files.origin, { message: `seal ${seal.n} names another root than its batch gives` })
  // 2. Bundles, then tiles from the leaves upward.
  await writeObjects(files, objects)
  // 3. A wrong tile is permanent, a signature on it worse: read back what was written and compute the root from that.
  await readBack(files, objects, seal.next)
  // 4. Sign, keep the signed copy, show it.
  const checkpoint = await signedCheckpoint(files, signer, edge)
  await showCheckpoint(files, signer, checkpoint, seal.next)
  return { state: stateAfter(seal, staged, edge), checkpoint }
}

/** What a batch adds to a log. */
function appendStaged({ edge }: LogState, { entries }: Pick<Staged, 'entries'>): Appended {
  return append(
    edge,
    entries.map((entry) => Buffer.from(entry, 'latin1')),
  )
}

/** In their order: bundles, then level after level. Those of one level are written beside one another. */
async function writeObjects(files: LogFiles, objects: readonly TileObject[]): Promise<void> {
  const levels = [...new Set(objects.map(levelOf))]
  for (const level of levels)
    await inParallel(
      objects.filter((object) => levelOf(object) === level),
      ({ path, bytes, full }) => files.write(tileKey(files.origin, path), bytes, full ? 'full' : 'short'),
    )
}

/** `entries`, or the level of a tile. */
const levelOf = ({ path }: TileObject): string => path.split('/')[1] ?? ''

async function readBack(files: LogFiles, objects: readonly TileObject[], next: TreeHead): Promise<void> {
  const read = new Map<string, Uint8Array>()
  await inParallel(objects, async ({ path, bytes, full }) => {
    const key = tileKey(files.origin, path)
    const found = await files.read(key)
    if (Buffer.compare(found, bytes) !== 0)
      throw new LogStopped(files.origin, { message: `${key} reads back differently` })
    if (!full) read.set(path, found)
  })
  await loadEdge(files, next, read)
}

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  for (let at = 0; at < items.length; at += PARALLEL_MAX)
    await Promise.all(items.slice(at, at + PARALLEL_MAX).map(work))
}

/** Signs unless this size was signed before, for instance by a writer that was killed right after: then that checkpoint stands. */
async function signedCheckpoint(files: LogFiles, signer: NoteSigner, edge: Edge): Promise<string> {
  const { origin } = files
  const text = formatCheckpoint({ origin, size: edge.size, root: rootOf(edge), extensions: [] })
  const note = await signer.note(origin, text)
  openCheckpoint(note, signer.verifiers(origin))
  const key = checkpointCopyKey(origin, edge.size)
  if ((await files.store.put(key, Buffer.from(note), files.until('full'))) === 'stored') return note
  return Buffer.from(await signedCopy(files, signer, treeHeadOf(edge))).toString()
}

/** Puts the checkpoint where everyone looks, unless a later one is there: a writer that was paused must not turn it back. */
async function showCheckpoint(files: LogFiles, signer: NoteSigner, note: string, tree: TreeHead): Promise<void> {
  const key = checkpointKey(files.origin)
  for (let tries = 1; tries <= SHOW_TRIES_MAX; tries++) {
    const shown = await files.store.current(key)
    const there = shown && signedTree(files, signer, key, shown.bytes)
    if (there?.size === tree.size && !sameTree(there, tree))
      throw new LogStopped(files.origin, { message: `${key} is about another tree of size ${tree.size}` })
    if (there !== undefined && there.size >= tree.size) return
    if ((await files.store.replace(key, Buffer.from(note), shown?.etag, files.until('full'))) === 'replaced') return
    await sleep(Math.random() * SHOW_WAIT_MS * tries)
  }
  throw new Fault('unavailable', { message: `${key} was written by others each time it was to be shown.` })
}

const rootOf = (edge: Edge): Uint8Array => Buffer.from(treeHeadOf(edge).root, 'base64url')
