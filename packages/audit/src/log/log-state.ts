import { type Edge, EMPTY_EDGE, edgePaths, edgeRoot, readEdge } from '../core/edge.ts'
import type { SourceHeads } from '../core/source-heads.ts'
import type { LogFiles } from './log-files.ts'
import { tileKey } from './log-keys.ts'
import { LogStopped } from './log-stopped.ts'
import type { Seal, Staged, StreamPosition, TreeHead } from './seal.ts'

/** The log after a finished seal: all that appending to it needs. */
export interface LogState {
  readonly origin: string
  readonly predecessor?: string
  /** The last finished seal; 0 where an epoch has none yet. */
  readonly n: number
  readonly edge: Edge
  readonly streams: Readonly<Record<string, StreamPosition>>
  readonly sources: SourceHeads
  /** Set once the epoch is closed: the log that goes on. */
  readonly successor?: string
}

/** An epoch before its first seal. */
export function newLog(origin: string, before?: LogState): LogState {
  const { streams, sources } = before ?? { streams: {}, sources: new Map() }
  const state = { origin, n: 0, edge: EMPTY_EDGE, streams, sources }
  return before === undefined ? state : { ...state, predecessor: before.origin }
}

export function treeHeadOf(edge: Edge): TreeHead {
  return { size: edge.size, root: Buffer.from(edgeRoot(edge)).toString('base64url') }
}

export function sameTree(a: TreeHead, b: TreeHead): boolean {
  return a.size === b.size && a.root === b.root
}

/** The state after a seal whose batch has been appended. */
export function stateAfter(seal: Seal, staged: Staged, edge: Edge): LogState {
  const { origin, predecessor, n, streams, sources } = staged
  return {
    origin,
    n,
    edge,
    streams,
    sources,
    ...(predecessor === undefined ? {} : { predecessor }),
    ...(seal.successor === undefined ? {} : { successor: seal.successor }),
  }
}

/**
 * Reads the right edge of a finished seal's tree from the store, but for parts that were read from there already. Throws LogStopped where it does not
 * have the root that the seal says.
 */
export async function loadEdge(
  files: LogFiles,
  tree: TreeHead,
  already: ReadonlyMap<string, Uint8Array> = new Map(),
): Promise<Edge> {
  const parts = new Map(already)
  const others = edgePaths(tree.size).filter((path) => !already.has(path))
  await Promise.all(others.map(async (path) => parts.set(path, await files.read(tileKey(files.origin, path)))))
  let edge: Edge
  try {
    edge = readEdge(tree.size, (path) => parts.get(path) as Uint8Array)
  } catch (cause) {
    throw new LogStopped(files.origin, {
      message: `the tiles at size ${tree.size} have not the form of their paths`,
      cause,
    })
  }
  if (!sameTree(treeHeadOf(edge), tree))
    throw new LogStopped(files.origin, { message: `the tiles at size ${tree.size} have another root than was sealed` })
  return edge
}
