import { Fault, type JsonObject } from '@writ/contracts'
import { parseIJson, sha256 } from '@writ/keys'
import { parseOrigin } from '../core/epoch.ts'
import { verifiersFor } from '../core/log-verifier.ts'
import { formatVkey, type NoteVerifier } from '../core/note.ts'
import { TILE_WIDTH } from '../core/tiles.ts'
import type { TlogPolicy } from '../core/tlog-policy.ts'
import { blobKey, checkpointCopyKey, checkpointKey, sealKey, vkeyKey } from '../log/log-keys.ts'
import { Blobs } from './blobs.ts'
import type { SubjectKeyOf } from './check-document.ts'
import { checkRetention, type RetentionChecked, type RetentionDemand } from './check-retention.ts'
import { checkWitnesses, type Witnessed } from './check-witnesses.ts'
import type { LogPlace } from './checkpoints.ts'
import { epochsHere, newestOrigin } from './epochs.ts'
import { type Epoch, Judge } from './judge.ts'
import type { Pins } from './key-ring.ts'
import { type KnownCheckpoint, sortKnown } from './known-checkpoints.ts'
import type { LogReader } from './log-reader.ts'
import { LogWalk } from './log-walk.ts'
import { lookAhead } from './look-ahead.ts'
import type { StoreUse } from './store-statements.ts'
import { type Finding, Findings, VERDICTS, type Verdict } from './verdicts.ts'

export interface VerifyOptions {
  readonly reader: LogReader
  /** Pinned log keys. */
  readonly vkeys: readonly NoteVerifier[]
  /** Pinned operators and anchors. */
  readonly pins: Pins
  /** The log to verify, with those before it; the newest here that a pinned key speaks for when absent. */
  readonly origin?: string
  /** The control plane's region; the origin says it when absent. */
  readonly region?: string
  /** Opens sealed documents. */
  readonly subjectKeys?: ReadonlyMap<string, Uint8Array>
  /** Signed checkpoints that the auditor kept from earlier or has from elsewhere: the log, or the one before it that each names, must go on from it. */
  readonly known?: readonly Uint8Array[]
  /** What the locks of the logs' objects must be like. Locks are not looked at when absent. */
  readonly retention?: RetentionDemand
  /** Which witnesses must have cosigned the newest checkpoint (C2SP tlog-policy). None need to when absent. */
  readonly policy?: TlogPolicy
  /** Nothing is on its way into the log any more: the newest effects must have their evidence too. */
  readonly complete?: boolean
  /** Told after every 256 entries, and of each log when it was read. It must not throw. */
  readonly onProgress?: (progress: VerifyProgress) => void
}

export interface VerifyProgress {
  /** Origin of the log that is being read. */
  readonly origin: string
  /** Entries of it that were read and judged, of `size`. */
  readonly entries: number
  readonly size: number
}

export interface LogVerification {
  /** No finding. */
  readonly ok: boolean
  /** `ok` alone, or all that was found, in the order of `VERDICTS`. */
  readonly verdicts: readonly (Verdict | 'ok')[]
  readonly origin: string
  /** Leaves of the log, under its newest signed checkpoint, and their root in base64; logs before it are not counted here. */
  readonly size: number
  readonly root: string
  /** Logs that were read, oldest first. */
  readonly logs: readonly string[]
  readonly seals: number
  readonly messages: number
  readonly events: number
  readonly sources: number
  /** Plans, tokens, redeems and actions whose chains were closed or are findings. */
  readonly effects: number
  readonly documents: number
  /** Documents that no key was given for: that is no damage. */
  readonly sealed: number
  /** Records of kinds that need two operators; absent where the pins do not say which do. */
  readonly twoPerson?: number
  /** Messages and effects of the last moment whose keys or evidence may still be on their way into the log, and a last seal that is being made. */
  readonly waiting: number
  /** NumericDate up to which services have signed; 0 where none did. */
  readonly until: number
  /** Known checkpoints that the log was compared with. */
  readonly known: number
  /** Checkpoints whose time a pinned cosigner of the log has signed. */
  readonly timed: number
  /** What sinks said, at each start, of the store that they wrote to: whether it had proven that it is write-once. */
  readonly stores: readonly StoreUse[]
  /** How the objects of each log are locked, in the order of `logs`. */
  readonly retention: readonly RetentionChecked[]
  /** Up to where witnesses have cosigned; absent where no policy was given. */
  readonly witnessed?: Witnessed
  readonly findings: readonly Finding[]
  /** All findings; the list holds the first thousand. */
  readonly findingsCount: number
}

interface Read {
  readonly walk: LogWalk
  readonly epoch: Epoch
  readonly retention: RetentionChecked
}

/**
 * Verifies a log with nothing but its files and pins: its Merkle tree and checkpoints, who signed each message, the chain of every source, the
 * evidence of every effect. Logs of earlier epochs are read first, since keys and chains go on from them. It never writes.
 *
 * What it cannot show: that the whole log was not rolled back to an earlier state (bring `known`), and that the holder of the log key has not shown
 * others another history (compare checkpoints, or have witnesses). Throws Fault `unavailable` where files cannot be read or there is no such log.
 */
export async function verifyLog(options: VerifyOptions): Promise<LogVerification> {
  const { reader, vkeys, pins, subjectKeys } = options
  const origin = options.origin ?? (await newestOrigin(reader, vkeys))
  const region = options.region ?? parseOrigin(origin ?? '')?.region
  if (origin === undefined || region === undefined)
    throw new Fault('unavailable', { message: `${reader.name} holds no log that a pinned key speaks for.` })
  const findings = new Findings()
  const keyOf: SubjectKeyOf = (kid) => subjectKeys?.get(kid)
  const judge = new Judge({ region, pins, keyOf, findings, blobs: new Blobs(reader, origin, findings) })
  const logs = (await epochsHere(reader, origin)).filter((log) => log <= origin)
  const reads: Read[] = []
  const origins = logs.length === 0 ? [origin] : logs
  const known = sortKnown(options.known ?? [], origins, vkeys, findings)
  for (const log of origins) {
    findings.log = log === origin ? undefined : log
    const place = { reader, origin: log, verifiers: verifiersFor(log, vkeys), findings }
    reads.push(await readLog(place, judge, options, known.get(log) ?? []))
  }
  findings.log = undefined
  const complete = options.complete ?? false
  const unfinished = checkEnds(reads, complete)
  if (complete || options.origin === undefined) await checkSuccessor(reads.at(-1))
  await judge.settle(complete)
  for (const [at, read] of reads.entries()) await checkOpening(read, reads[at - 1], judge)
  const newest = reads.at(-1)?.walk.place
  const witnessed = options.policy && newest && (await checkWitnesses(newest, options.policy))
  const wholeHistory = reads[0]?.epoch.opening?.['predecessor'] === undefined
  const waiting = unfinished + (await judge.conclude({ complete, wholeHistory }))
  const twoPerson = pins.two_person === undefined ? {} : { twoPerson: judge.secondOperators }
  const found = result(origin, reads, judge, findings, waiting, options.known?.length ?? 0)
  return { ...found, ...twoPerson, ...(witnessed !== undefined && { witnessed }) }
}

async function readLog(
  place: LogPlace,
  judge: Judge,
  { onProgress, retention }: VerifyOptions,
  known: readonly KnownCheckpoint[],
): Promise<Read> {
  const walk = await LogWalk.open(place, known)
  const { log } = place.findings
  const { size } = walk
  const { origin } = place
  const epoch: Epoch = { origin, ...(log !== undefined && { log }), size, entryAt: (index) => walk.entryAt(index) }
  const tell = (entries: number): void => onProgress?.({ origin, entries, size })
  for await (const { item, prepared } of lookAhead(walk.entries(), ({ entry }) => judge.ahead(entry))) {
    const { index } = item
    await judge.entry(epoch, index, prepared.opened)
    if ((index + 1) % TILE_WIDTH === 0) tell(index + 1)
  }
  tell(size)
  await checkVkey(place)
  return { walk, epoch, retention: await locksOf(place, size, retention) }
}

async function locksOf(place: LogPlace, size: number, demand: RetentionDemand | undefined): Promise<RetentionChecked> {
  if (demand === undefined) return { state: 'not checked', why: 'It was not asked for.' }
  return await checkRetention(place, size, demand)
}

/** The key beside the log is for convenience; nobody believes it. A wrong one would mislead who has no pins. */
async function checkVkey({ reader, origin, verifiers, findings }: LogPlace): Promise<void> {
  const bytes = await reader.read(vkeyKey(origin))
  if (bytes === undefined) return
  const text = Buffer.from(bytes).toString()
  if (!verifiers.some((verifier) => text === `${formatVkey(verifier)}\n`))
    findings.add('vkey_altered', { object: vkeyKey(origin) }, 'The key that lies beside the log is not a pinned one.')
}

/**
 * Each log ends with a seal that has its checkpoint. Only the newest may have a last one that is being made, and none where nothing is on its way any
 * more. Returns how many are.
 */
function checkEnds(reads: readonly Read[], complete: boolean): number {
  let waiting = 0
  for (const [at, { walk, epoch }] of reads.entries()) {
    const { size, lastSeal, place } = walk
    if (lastSeal === undefined || lastSeal.to <= size) continue
    if (!complete && at === reads.length - 1) waiting += 1
    else {
      const where = {
        ...(epoch.log !== undefined && { log: epoch.log }),
        object: checkpointCopyKey(place.origin, lastSeal.to),
      }
      const message = `Seal ${lastSeal.n} goes up to ${lastSeal.to} leaves, and the newest checkpoint here is of ${size}.`
      place.findings.add('checkpoint_missing', where, message)
    }
  }
  return waiting
}

/** A log that was closed goes on in the one that its last seal names. Asked for last, since it may have been closed while it was read. */
async function checkSuccessor(newest: Read | undefined): Promise<void> {
  if (newest === undefined) return
  const { lastSeal, place } = newest.walk
  if (lastSeal?.successor === undefined) return
  const { reader, origin, findings } = place
  if ((await epochsHere(reader, origin)).includes(lastSeal.successor)) return
  const message = `The log was closed and goes on in ${lastSeal.successor}, which is not here.`
  findings.add('checkpoint_rolled_back', { object: sealKey(origin, lastSeal.n) }, message)
}

/** The first entry names the log before and where every chain was; that log, if it is here, ended so. */
async function checkOpening({ walk, epoch }: Read, before: Read | undefined, judge: Judge): Promise<void> {
  const { reader, origin, findings } = walk.place
  const { opening, log } = epoch
  if (walk.root === undefined) return
  const where = { ...(log !== undefined && { log }), leaf: 0 }
  if (opening === undefined || opening['origin'] !== origin)
    return findings.add('history_missing', where, 'The first entry does not say which log it opens.')
  const predecessor = Object(opening['predecessor']) as Readonly<Record<string, unknown>>
  if (before === undefined) {
    if (opening['predecessor'] === undefined) return
    findings.add(
      'history_missing',
      where,
      'The log goes on from one that is not here: its keys and chains are unknown.',
    )
  } else {
    const { root, size, place } = before.walk
    const ended = { origin: place.origin, size, root: root && Buffer.from(root).toString('base64url') }
    const shown = await reader.read(checkpointKey(place.origin))
    const follows =
      predecessor['origin'] === ended.origin &&
      predecessor['size'] === ended.size &&
      predecessor['root'] === ended.root &&
      shown !== undefined &&
      predecessor['checkpoint_sha256'] === sha256(shown)
    if (!follows) findings.add('history_forked', where, `The log does not go on from where ${place.origin} ends.`)
  }
  await readHeads(walk.place, opening['heads'], where, before === undefined ? judge : undefined)
}

/** The blob with the heads of all chains. `judge` takes them from there where the log before is not here. */
async function readHeads(
  { reader, origin, findings }: LogPlace,
  named: unknown,
  where: { readonly leaf: number },
  judge: Judge | undefined,
): Promise<void> {
  const { sha256: digest } = Object(named) as Readonly<Record<string, unknown>>
  if (typeof digest !== 'string') return
  const object = blobKey(origin, digest)
  const bytes = await reader.read(object)
  if (bytes === undefined)
    return findings.add('blob_missing', { ...where, object }, 'The list of chains that go on is missing.')
  if (sha256(bytes) !== digest)
    return findings.add('blob_altered', { ...where, object }, 'The list of chains that go on was altered.')
  if (judge === undefined) return
  const heads = headsIn(bytes)
  if (heads === undefined)
    return findings.add('message_malformed', { ...where, object }, 'The list of chains that go on is no such list.')
  for (const [source, { seq, digest }] of heads) judge.chains.begins(source, seq, digest)
}

/** Where each chain was, by its source; undefined where the bytes do not say so. */
function headsIn(bytes: Uint8Array): readonly (readonly [string, { seq: number; digest: string }])[] | undefined {
  let listed: JsonObject
  try {
    listed = parseIJson(bytes)
  } catch {
    return undefined
  }
  const heads = Object.entries(listed).flatMap(([source, head]) => {
    const { seq, digest } = Object(head) as Readonly<Record<string, unknown>>
    const known = typeof seq === 'number' && Number.isSafeInteger(seq) && typeof digest === 'string'
    return known ? [[source, { seq, digest }] as const] : []
  })
  return heads.length === Object.keys(listed).length ? heads : undefined
}

function result(
  origin: string,
  reads: readonly Read[],
  judge: Judge,
  findings: Findings,
  waiting: number,
  known: number,
): LogVerification {
  const last = reads.at(-1)?.walk
  const { messages, events, sources, effects, documents, sealed, stores, until } = judge
  return {
    ok: findings.count === 0,
    verdicts: findings.count === 0 ? ['ok'] : VERDICTS.filter((verdict) => findings.verdicts.has(verdict)),
    origin,
    size: last?.size ?? 0,
    root: Buffer.from(last?.root ?? []).toString('base64'),
    logs: reads.map(({ walk }) => walk.place.origin),
    seals: reads.reduce((sum, { walk }) => sum + walk.seals, 0),
    messages,
    events,
    sources,
    effects,
    documents,
    sealed,
    waiting,
    until,
    known,
    timed: reads.reduce((sum, { walk }) => sum + walk.timed, 0),
    stores,
    retention: reads.map(({ retention }) => retention),
    findings: findings.list,
    findingsCount: findings.count,
  }
}
