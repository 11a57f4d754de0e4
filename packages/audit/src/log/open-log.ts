import type { WormStore } from '@writ/worm-store'
import { openCheckpoint } from '../core/checkpoint.ts'
import { EPOCH, epochOf, type LogName, originOf } from '../core/epoch.ts'
import { carryOver } from '../core/source-heads.ts'
import type { LogFiles } from './log-files.ts'
import { checkpointKey, sealKey } from './log-keys.ts'
import { type LogState, loadEdge, newLog, stateAfter } from './log-state.ts'
import { LogStopped } from './log-stopped.ts'
import type { NoteSigner } from './note-signer.ts'

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
 * The last finished state of a log: after the last seal or, where that was left unfinished, before it. Reads two seals, a staged batch and the right
 * edge, however large the log is. Throws LogStopped where the store holds a checkpoint that no seal explains.
 */
export async function loadState(files: LogFiles, signer: NoteSigner): Promise<LogState> {
  const last = await files.lastSeal()
  const sealed = (await files.seal(last))?.next.size ?? 0
  const shown = await shownSize(files, signer)
  if (shown > sealed && (await files.seal(last + 1)) === undefined) {
    throw new LogStopped(files.origin, {
      message: `its checkpoint of size ${shown} is beyond its last seal, ${last} of size ${sealed}`,
    })
  }
  return await stateAt(files, shown >= sealed ? last : last - 1)
}

/** The state after seal `n`; before the first seal, what the epoch took over. */
async function stateAt(files: LogFiles, n: number): Promise<LogState> {
  if (n === 0) {
    const predecessor = (await stagedAt(files, 1))?.staged.predecessor
    if (predecessor === undefined) return newLog(files.origin)
    const before = files.other(predecessor)
    return successorOf(await stateAt(before, await before.lastSeal()))
  }
  const found = await stagedAt(files, n)
  if (found === undefined) throw new LogStopped(files.origin, { message: `the batch of seal ${n} is missing` })
  return stateAfter(found.seal, found.staged, await loadEdge(files, found.seal.next))
}

async function stagedAt(files: LogFiles, n: number) {
  const seal = await files.seal(n)
  const staged = seal && (await files.staged(seal))
  return seal && staged && { seal, staged }
}

async function shownSize(files: LogFiles, signer: NoteSigner): Promise<number> {
  const shown = await files.store.current(checkpointKey(files.origin))
  if (shown === undefined) return 0
  try {
    return openCheckpoint(Buffer.from(shown.bytes).toString(), [signer.verifier(files.origin)]).size
  } catch (cause) {
    throw new LogStopped(files.origin, { message: 'its checkpoint is not signed by the log key', cause })
  }
}

/** The epoch after a closed one, before its first seal. */
export function successorOf(closed: LogState): LogState {
  if (closed.successor === undefined)
    throw new LogStopped(closed.origin, { message: 'another epoch follows, and it was not closed' })
  return newLog(closed.successor, { ...closed, sources: carryOver(closed.sources) })
}
