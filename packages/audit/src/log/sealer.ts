import { AUDIT_BYTES_MAX } from '@writ/contracts'
import { canonicalJson, parseJws, sha256 } from '@writ/keys'
import type { WormStore } from '@writ/worm-store'
import { type AuditEntry, auditEntry } from '../core/audit-entry.ts'
import { type Appended, append, edgePaths } from '../core/edge.ts'
import { epochOf, type LogName, originOf } from '../core/epoch.ts'
import { formatVkey } from '../core/note.ts'
import { enter, type SourceHeads } from '../core/source-heads.ts'
import type { AuditStream } from './audit-stream.ts'
import { findEntered } from './find-entered.ts'
import { finishSeal } from './finish-seal.ts'
import { LogFiles, type Retention } from './log-files.ts'
import { blobKey, checkpointKey, closedKey, tileKey, vkeyKey } from './log-keys.ts'
import { type LogState, treeHeadOf } from './log-state.ts'
import { LogStopped } from './log-stopped.ts'
import type { NoteSigner } from './note-signer.ts'
import { currentOrigin, loadState, successorOf } from './open-log.ts'
import { ReadAhead } from './read-ahead.ts'
import { type Batch, type RefusedMessage, readBatch } from './read-batch.ts'
import { RecentDigests } from './recent-digests.ts'
import { requireHeads } from './require-heads.ts'
import type { Seal, Staged, StreamPosition, TreeHead } from './seal.ts'
import { signedCopy } from './signed-tree.ts'

/** What the first entry of an epoch says. */
export interface Opening {
  readonly origin: string
  readonly predecessor?: {
    readonly origin: string
    readonly size: number
    readonly root: string
    readonly checkpoint_sha256: string
  }
  /** The blob in which the heads of the chains that go on are listed, and how many they are. */
  readonly heads?: { readonly sha256: string; readonly count: number }
}

export interface SealerOptions {
  readonly store: WormStore
  readonly name: LogName
  readonly signer: NoteSigner
  /** In the order in which they follow one another within a batch. */
  readonly streams: readonly AuditStream[]
  readonly retention: Retention
  readonly now: () => Date
  /** Makes the audit message `log.opened`: the writer's own, signed and published like every other. Compact JWS. */
  readonly opening: (opening: Opening) => Promise<string>
}

export interface SealOutcome {
  /** The log as the newest checkpoint shows it, which is signed and in the store. */
  readonly origin: string
  readonly tree: TreeHead
  readonly checkpoint: string
  /** Entries that this call brought into the log, by its own seals or by finishing others'. */
  readonly entries: number
  /** What may be acknowledged, of deliveries that were there before the call: up to here every message is in the log or never will be. */
  readonly positions: Readonly<Record<string, StreamPosition>>
  /** To announce: heads that rose since the last outcome, and those of sources that sent a duplicate since. */
  readonly heads: ReadonlyMap<string, number>
  readonly refused: readonly RefusedMessage[]
  /** Whether a stream holds more than this call took. */
  readonly more: boolean
}

/**
 * Writes an epoch's log. Any number of sealers may run on one store: the reservation of a seal's number decides between them, and whoever finds a seal
 * unfinished finishes it first. A call that throws leaves nothing that the next one, in this process or another, does not continue. Calls must not
 * overlap.
 */
export class Sealer {
  readonly #options: SealerOptions
  readonly #streams: readonly AuditStream[]
  #files: LogFiles
  #state: LogState
  /** Streams read beyond the last seal without finding anything that enters. */
  #read: Readonly<Record<string, StreamPosition>> = {}
  #checkpoint: string | undefined
  #entries = 0
  readonly #recent = new RecentDigests()
  readonly #announce = new Set<string>()
  readonly #openings = new Map<string, string>()

  private constructor(options: SealerOptions, files: LogFiles, state: LogState) {
    this.#options = options
    this.#streams = options.streams.map((stream) => new ReadAhead(stream))
    this.#files = files
    this.#state = state
  }

  /** Finds the log in the store, or begins one with the first seal. Throws LogStopped where it cannot be continued. */
  static async open(options: SealerOptions): Promise<Sealer> {
    const { store, name, signer, retention, now } = options
    const files = new LogFiles(await currentOrigin(store, name, now()), store, retention, now)
    return new Sealer(options, files, await loadState(files, signer))
  }

  get origin(): string {
    return this.#state.origin
  }

  get tree(): TreeHead {
    return treeHeadOf(this.#state.edge)
  }

  /**
   * Finishes what was begun, takes in what waits in the streams, and seals it. Throws Fault `unavailable` (try again) or LogStopped (do not).
   */
  async seal(): Promise<SealOutcome> {
    for (;;) {
      await this.#finishOthers()
      await this.#turnEpoch()
      if (this.#state.n === 0) {
        await this.#open()
        continue
      }
      const batch = await this.#readBatch()
      if (batch.entries.length === 0) this.#read = batch.positions
      else if (!(await this.#add(batch.entries, batch))) continue
      for (const source of batch.duplicates) this.#announce.add(source)
      return await this.#outcome(batch)
    }
  }

  async #outcome(batch: Batch): Promise<SealOutcome> {
    const { sources, edge, origin } = this.#state
    const heads = [...this.#announce].map((source): [string, number] => [source, sources.get(source)?.seq ?? -1])
    const outcome = {
      origin,
      tree: treeHeadOf(edge),
      checkpoint: await this.#shown(),
      entries: this.#entries,
      positions: batch.positions,
      heads: new Map(heads.filter(([, seq]) => seq >= 0)),
      refused: batch.refused,
      more: batch.more,
    }
    this.#announce.clear()
    this.#entries = 0
    return outcome
  }

  async #shown(): Promise<string> {
    if (this.#checkpoint !== undefined) return this.#checkpoint
    const shown = await this.#files.store.current(checkpointKey(this.origin))
    if (shown === undefined) throw new LogStopped(this.origin, { message: 'its checkpoint is missing' })
    this.#checkpoint = Buffer.from(shown.bytes).toString()
    return this.#checkpoint
  }

  async #readBatch(): Promise<Batch> {
    const state = { ...this.#state, streams: { ...this.#state.streams, ...this.#read } }
    return await readBatch(state, this.#streams, {
      digests: (source, seq) => this.#recent.get(source, seq),
      lookUp: async (source, seq) => {
        const digests = await findEntered(this.#files, this.#state, source, seq)
        this.#recent.set(source, seq, digests)
        return digests
      },
    })
  }

  async #finishOthers(): Promise<void> {
    for (let seal = await this.#next(); seal !== undefined; seal = await this.#next()) await this.#finish(seal)
  }

  async #next(): Promise<Seal | undefined> {
    return await this.#files.seal(this.#state.n + 1)
  }

  /** `own`: what the seal names, where this writer has just staged it itself. */
  async #finish(seal: Seal, own?: { readonly staged: Staged; readonly appended: Appended }): Promise<void> {
    const staged = own?.staged ?? (await this.#files.staged(seal))
    if (staged === undefined) throw new LogStopped(this.origin, { message: `the batch of seal ${seal.n} is missing` })
    const before = this.#state
    if (own === undefined) requireHeads(before, staged)
    const { signer } = this.#options
    const { state, checkpoint } = await finishSeal(this.#files, signer, before, seal, own ?? { staged })
    if (seal.n === 1)
      await this.#files.write(
        vkeyKey(this.origin),
        Buffer.from(`${formatVkey(signer.verifier(this.origin))}\n`),
        'full',
      )
    for (const source of risen(before.sources, state.sources)) this.#announce.add(source)
    this.#state = state
    this.#checkpoint = checkpoint
    this.#entries += staged.entries.length
    this.#read = {}
  }

  /** Seals entries as the next seal. False where another writer's seal has the number: that one is finished instead. */
  async #add(
    entries: readonly AuditEntry[],
    after: { readonly heads: SourceHeads; readonly positions: Readonly<Record<string, StreamPosition>> },
    successor?: string,
  ): Promise<boolean> {
    const { origin, n, edge, predecessor } = this.#state
    const compact = entries.map((entry) => entry.compact)
    const batch: Staged = { origin, n: n + 1, streams: after.positions, sources: after.heads, entries: compact }
    const staged = predecessor === undefined ? batch : { ...batch, predecessor }
    const staging = this.#files.stage(staged)
    // While it is being written.
    const appended = append(
      edge,
      entries.map(({ bytes }) => bytes),
    )
    const own = { n: n + 1, previous: treeHeadOf(edge), next: treeHeadOf(appended.edge), staging: await staging }
    const seal = await this.#files.reserve(successor === undefined ? own : { ...own, successor })
    const isOwn = seal.staging === own.staging
    await this.#finish(seal, isOwn ? { staged, appended } : undefined)
    if (!isOwn) return false
    this.#recent.add(entries)
    return true
  }

  /** Closes an epoch that the calendar has left, and goes on to the one that its last seal names. */
  async #turnEpoch(): Promise<void> {
    const { name, now } = this.#options
    const origin = originOf(name, epochOf(now()))
    if (this.#state.successor === undefined && this.#state.n > 0 && origin > this.origin) {
      await this.#add([], { heads: this.#state.sources, positions: this.#state.streams }, origin)
      await this.#finishOthers()
    }
    while (this.#state.successor !== undefined) {
      await this.#close(this.#state.successor)
      this.#files = this.#files.other(this.#state.successor)
      this.#state = successorOf(this.#state)
      this.#checkpoint = undefined
      await this.#finishOthers()
    }
  }

  /** The last partial tiles of an epoch are never superseded, so they are kept as long as the rest. */
  async #close(successor: string): Promise<void> {
    const { origin } = this.#state
    const { size, root } = this.tree
    for (const path of edgePaths(size)) await this.#files.store.retain(tileKey(origin, path), this.#files.until('full'))
    await this.#files.write(closedKey(origin), Buffer.from(`${JSON.stringify({ size, root, successor })}\n`), 'full')
  }

  /** The first seal of an epoch: its one entry names what came before. */
  async #open(): Promise<void> {
    const { sources, streams } = this.#state
    const compact = this.#openings.get(this.origin) ?? (await this.#options.opening(await this.#whatOpens()))
    this.#openings.set(this.origin, compact)
    const { source } = parseJws(compact, AUDIT_BYTES_MAX).payload
    const entry = auditEntry(Buffer.from(compact), typeof source === 'string' ? source : '')
    const heads = new Map(sources).set(entry.source, enter(sources.get(entry.source), entry.seq, entry.digest, 0))
    await this.#add([entry], { heads, positions: streams })
  }

  async #whatOpens(): Promise<Opening> {
    const { origin, predecessor, sources } = this.#state
    if (predecessor === undefined) return { origin }
    const before = this.#files.other(predecessor)
    const { next } = (await before.seal(await before.lastSeal())) as Seal
    const checkpoint = await signedCopy(before, this.#options.signer, next)
    const heads = Buffer.from(
      canonicalJson(Object.fromEntries([...sources].map(([name, { seq, digest }]) => [name, { seq, digest }]))),
    )
    await this.#files.write(blobKey(origin, sha256(heads)), heads, 'full')
    return {
      origin,
      predecessor: { origin: predecessor, ...next, checkpoint_sha256: sha256(checkpoint) },
      heads: { sha256: sha256(heads), count: sources.size },
    }
  }
}

function risen(before: SourceHeads, after: SourceHeads): string[] {
  return [...after].filter(([source, { seq }]) => seq > (before.get(source)?.seq ?? -1)).map(([source]) => source)
}
