import type { ObjectRetention } from '@writ/worm-store'
import { bundlePath, fullTiles, levelsOf, partialWidth, tilePath } from '../core/tiles.ts'
import { closedKey, tileKey } from '../log/log-keys.ts'
import type { LogPlace } from './checkpoints.ts'
import type { LogReader } from './log-reader.ts'

/** What is asked of the locks of a log's objects. */
export interface RetentionDemand {
  /** Days for which an object must have been locked when it was stored. When absent it is enough that it is locked now. */
  readonly days?: number
  readonly now: Date
}

export type RetentionChecked =
  | {
      readonly state: 'checked'
      readonly objects: number
      /** When the first of those locks ends that are to last; absent where there is none. RFC 3339. */
      readonly until?: string
      /** Objects under a legal hold. */
      readonly held: number
    }
  | { readonly state: 'not checked'; readonly why: string }

const PARALLEL_MAX = 32
const DAY_MS = 86_400_000
/** Between a writer's clock, by which a lock's end is chosen, and the storage's, by which the object was stored. */
const SLACK_MS = 3_600_000

/**
 * Asks the storage how each object of a log is locked: `retention_missing` where it is not in COMPLIANCE mode, or not for as long as is demanded.
 * Partial tiles and staged batches that something later has replaced are kept for a short time only, so their locks may have ended.
 */
export async function checkRetention(
  place: LogPlace,
  size: number,
  demand: RetentionDemand,
): Promise<RetentionChecked> {
  const { reader, origin } = place
  const ask = reader.retention?.bind(reader)
  if (ask === undefined)
    return {
      state: 'not checked',
      why: 'This is a copy or a directory: locks are the storage’s own, and a copy has none.',
    }
  const closed = (await reader.read(closedKey(origin))) !== undefined
  const needed = edgeOf(origin, size)
  const seen = { objects: 0, held: 0, untilMs: Number.POSITIVE_INFINITY }
  const look = async (key: string): Promise<void> => {
    const lock = await ask(key)
    // Removed since it was listed, as what is superseded may be.
    if (lock === undefined) return
    seen.objects += 1
    if (lock.hold) seen.held += 1
    const lasts = !isShort(origin, key) || (closed && needed.has(key))
    if (lasts && lock.until !== undefined) seen.untilMs = Math.min(seen.untilMs, lock.until.getTime())
    const wrong = wrongWith(lock, { lasts, needed: lasts || needed.has(key) }, demand)
    if (wrong !== undefined) place.findings.add('retention_missing', { object: key }, wrong)
  }
  await inParallel(keysUnder(reader, [`${origin}/`, `${origin}.meta/`]), look)
  const until = Number.isFinite(seen.untilMs) ? { until: new Date(seen.untilMs).toISOString() } : {}
  return { state: 'checked', objects: seen.objects, held: seen.held, ...until }
}

function wrongWith(
  { mode, until, storedAt }: ObjectRetention,
  { lasts, needed }: { readonly lasts: boolean; readonly needed: boolean },
  { days, now }: RetentionDemand,
): string | undefined {
  if (mode !== 'COMPLIANCE' || until === undefined)
    return `The object is ${mode === undefined ? 'not locked' : `locked in ${mode} mode`}: it can be deleted.`
  if (needed && until <= now) return `The object’s lock ended on ${until.toISOString()}: it can be deleted.`
  if (!lasts || days === undefined || storedAt === undefined) return undefined
  const kept = until.getTime() - storedAt.getTime()
  if (kept >= days * DAY_MS - SLACK_MS) return undefined
  return `The object was locked for ${(kept / DAY_MS).toFixed(1)} days when it was stored; ${days} are demanded.`
}

/** What something later replaces, or may have. */
function isShort(origin: string, key: string): boolean {
  return key.startsWith(`${origin}.meta/staging/`) || (key.startsWith(`${origin}/tile/`) && /\.p\/\d+$/.test(key))
}

/** The last, partial tiles and bundle: nothing has replaced them. */
function edgeOf(origin: string, size: number): ReadonlySet<string> {
  const paths: string[] = []
  for (let level = 0; level < levelsOf(size); level++) {
    const width = partialWidth(level, size)
    if (width > 0) paths.push(tilePath(level, fullTiles(level, size), width))
  }
  const width = partialWidth(0, size)
  if (width > 0) paths.push(bundlePath(fullTiles(0, size), width))
  return new Set(paths.map((path) => tileKey(origin, path)))
}

async function* keysUnder(reader: LogReader, prefixes: readonly string[]): AsyncGenerator<string> {
  for (const prefix of prefixes)
    for await (const name of reader.list(prefix))
      if (name.endsWith('/')) yield* keysUnder(reader, [`${prefix}${name}`])
      else yield `${prefix}${name}`
}

async function inParallel(keys: AsyncGenerator<string>, look: (key: string) => Promise<void>): Promise<void> {
  const work = async (): Promise<void> => {
    for (let next = await keys.next(); next.done !== true; next = await keys.next()) await look(next.value)
  }
  await Promise.all(Array.from({ length: PARALLEL_MAX }, work))
}
