import type { WormStore } from '@writ/worm-store'
import { EPOCH, epochOf, type LogName, originOf } from '../core/epoch.ts'
import { carryOver } from '../core/source-heads.ts'
import type { LogFiles } from './log-files.ts'
import { checkpointKey, sealKey } from './log-keys.ts'
import { type LogState, loadEdge, newLog, sameTree, stateAfter } from './log-state.ts'
import { LogStopped } from './log-stopped.ts'
import type { NoteSigner } from './note-signer.ts'
import type { TreeHead } from './seal.ts'
import { signedCopy, signedTree } from './signed-tree.ts'

/**
 * The newest epoch that the store holds a seal of, else the one of this instant. Never an earlier one: a clock that was set back opens no second
 * history.
 */
export async function currentOrigin(store: WormStore, name: LogName, now: Date): Promise<string> {
  const epochs: string[] = []
  for await (const child of store.list(`${name.domain}/${name.region}/`)) {
    const epoch = child.endsWith('.meta/') ? child.slice(0, -'.meta/'.length) : ''
    if (EPOCH.test(epoch)) epochs.push(epoch)
  }
  for (const epoch of epochs.sort().toReversed()) {
    const origin = originOf(name, epoch)
    if ((await store.get(sealKey(origin, 1))) !== undefined) return origin
  }
  return originOf(name, epochOf(now))
}

/**
 * The last finished state of a log: after the last seal or, where that was left unfinished, before it. Reads two seals, a staged batch, the right edge
 * and two checkpoints, however large the log is. Throws LogStopped where the store holds a checkpoint that no seal explains, or seals, batches and tiles
 * that are not what this log's key has signed: what is read here is what the next signature continues.
 */
export async function loadState(files: LogFiles, signer: NoteSigner): Promise<LogState> {
  const last = await files.lastSeal()
  const sealed = (await files.seal(last))?.next
  const size = sealed?.size ?? 0
  const shown = await shownTree(files, signer)
  if (shown.size > size && (await files.seal(last + 1)) === undefined) {
    throw new LogStopped(files.origin, {
      message: `its checkpoint of size ${shown.size} is beyond its last seal, ${last} of size ${size}`,
    })
  }
  if (sealed !== undefined && shown.size === size && !sameTree(shown, sealed)) {
    throw new LogStopped(files.origin, { message: `its checkpoint and its last seal, ${last}, are about other trees` })
  }
  return await stateAt(files, signer, shown.size >= size ? last : last - 1)
}

/** The state after seal `n`, which was finished and so signed; before the first seal, what the epoch took over. */
async function stateAt(files: LogFiles, signer: NoteSigner, n: number): Promise<LogState> {
  if (n === 0) {
    const predecessor = (await stagedAt(files, 1))?.staged.predecessor
    if (predecessor === undefined) return newLog(files.origin)
    const before = files.other(predecessor)
    return successorOf(await stateAt(before, signer, await before.lastSeal()))
  }
  const found = await stagedAt(files, n)
  if (found === undefined) throw new LogStopped(files.origin, { message: `the batch of seal ${n} is missing` })
  await signedCopy(files, signer, found.seal.next)
  return stateAfter(found.seal, found.staged, await loadEdge(files, found.seal.next))
}

async function stagedAt(files: LogFiles, n: number) {
  const seal = await files.seal(n)
  const staged = seal && (await files.staged(seal))
  return seal && staged && { seal, staged }
}

async function shownTree(files: LogFiles, signer: NoteSigner): Promise<TreeHead> {
  const key = checkpointKey(files.origin)
  const shown = await files.store.current(key)
  return shown === undefined ? { size: 0, root: '' } : signedTree(files, signer, key, shown.bytes)
}

/** The epoch after a closed one, before its first seal. */
export function successorOf(closed: LogState): LogState {
  if (closed.successor === undefined)
    throw new LogStopped(closed.origin, { message: 'another epoch follows, and it was not closed' })
  return newLog(closed.successor, { ...closed, sources: carryOver(closed.sources) })
}
