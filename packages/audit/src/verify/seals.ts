import { createHash, type Hash } from 'node:crypto'
import { sha256 } from '@writ/keys'
import { EMPTY_ROOT, sameHash } from '../core/merkle.ts'
import { closedKey, sealKey, stagingKey } from '../log/log-keys.ts'
import { decodeSeal, decodeStaged, encodeSeal, type Seal, type Staged } from '../log/seal.ts'
import type { LogPlace, Roots } from './checkpoints.ts'
import { type StagedLeaves, stagedLeaves, stagedLeavesAsWritten } from './staged-leaves.ts'

const SEAL_NAME = /^\d{12}$/

interface Pending {
  readonly seal: Seal
  readonly object: string
}

/** The last of a log's seals. */
export interface LastSeal {
  readonly n: number
  /** Leaves before and after it. */
  readonly from: number
  readonly to: number
  /** Origin of the log that goes on, where it closes this one. */
  readonly successor?: string
}

/** Hashes over the leaves since `from`: as their entries are and, from where that differs, as their tiles say. */
interface Batch {
  readonly from: number
  readonly own: Hash
  told?: Hash
}

const newBatch = (from: number): Batch => ({ from, own: createHash('sha256') })

/**
 * The reservations of a log's seals, each after the one before, compared with the tree as it grows; with the staged batches as far as these are
 * still kept. Names are read first of all, so that all but the last belong to finished seals even while the log is being written.
 */
export class Seals {
  readonly #place: LogPlace
  readonly #names: readonly string[]
  #at = 0
  #next: Pending | undefined
  /** The last seal in order that could be read. */
  #last: Pending | undefined
  #batch: Batch = newBatch(0)
  readonly #staged = new Set<string>()
  /** Batches up to this seal are gone, as they may be after a time. */
  #goneUpTo = 0

  private constructor(place: LogPlace, names: readonly string[]) {
    this.#place = place
    this.#names = names
  }

  static async list(place: LogPlace): Promise<Seals> {
    const names: string[] = []
    for await (const name of place.reader.list(`${place.origin}.meta/seals/`))
      if (SEAL_NAME.test(name)) names.push(name)
    if (names.length === 0)
      place.findings.add('seal_missing', { object: sealKey(place.origin, 1) }, 'The log has no seals.')
    return new Seals(place, names)
  }

  get count(): number {
    return this.#names.length
  }

  /** Reads the first seal. */
  async start(): Promise<void> {
    await this.#advance()
  }

  isDue(size: number): boolean {
    return this.#next !== undefined && this.#next.seal.next.size <= size
  }

  leaf(own: Uint8Array, told: Uint8Array): void {
    const batch = this.#batch
    if (batch.told === undefined && !sameHash(own, told)) batch.told = batch.own.copy()
    batch.told?.update(told)
    batch.own.update(own)
  }

  /** Whether the seal at this size has one of these roots. */
  agrees(size: number, roots: Roots): boolean {
    return this.#next?.seal.next.size === size && hasRoot(this.#next.seal, roots)
  }

  /** Compares the seals that end at this size. `signed`: what the checkpoints of that size said about the same roots. */
  async reached(
    size: number,
    roots: Roots,
    signed: 'match' | 'mismatch' | 'none',
    hasCopy: (size: number) => boolean,
  ): Promise<void> {
    const { findings } = this.#place
    const before = this.#batch
    for (let due = this.#next; due !== undefined && due.seal.next.size <= size; due = this.#next) {
      const { seal, object } = due
      if (seal.next.size < size || (!hasRoot(seal, roots) && signed !== 'mismatch'))
        findings.add('seal_altered', { object }, `Seal ${seal.n} names another tree than the one of ${size} leaves.`)
      else if (!hasCopy(size))
        findings.add(
          'checkpoint_missing',
          { object },
          `The checkpoint of ${size} leaves, of seal ${seal.n}, is missing.`,
        )
      const whole = signed !== 'mismatch' && before.from === seal.previous.size && seal.previous.size < seal.next.size
      await this.#checkBatch(due, whole ? digestsOf(before) : undefined)
      await this.#advance()
    }
    this.#batch = newBatch(size)
  }

  /** After the whole tree, if it could be `walked` to its head. Returns the last seal that could be read. */
  async conclude(head: number, walked: boolean): Promise<LastSeal | undefined> {
    const { origin, findings } = this.#place
    while (this.#next !== undefined) {
      const { seal, object } = this.#next
      if (walked && this.#at < this.#names.length)
        findings.add('seal_altered', { object }, `Seal ${seal.n} goes beyond the ${head} leaves that were signed.`)
      await this.#checkBatch(this.#next, undefined)
      await this.#advance()
    }
    const last = this.#last?.seal
    if (last !== undefined && last.next.size < head)
      findings.add(
        'seal_missing',
        { object: sealKey(origin, last.n + 1) },
        `No seal explains leaves from ${last.next.size} on.`,
      )
    await this.#checkClosed(last)
    await this.#checkOrphans()
    if (last === undefined) return undefined
    const { n, previous, next, successor } = last
    return { n, from: previous.size, to: next.size, ...(successor !== undefined && { successor }) }
  }

  /** Reads the next seal that has its form, saying what is wrong with the others and with the order. */
  async #advance(): Promise<void> {
    const { origin, reader, findings } = this.#place
    if (this.#next !== undefined) this.#last = this.#next
    this.#next = undefined
    while (this.#next === undefined && this.#at < this.#names.length) {
      const n = Number(this.#names[this.#at])
      const before = this.#at === 0 ? 0 : Number(this.#names[this.#at - 1])
      this.#at += 1
      const object = sealKey(origin, n)
      if (n !== before + 1)
        findings.add('seal_missing', { object: sealKey(origin, before + 1) }, `Seal ${before + 1} is missing.`)
      const bytes = await reader.read(object)
      const seal = bytes === undefined ? undefined : exactSeal(bytes)
      if (seal === undefined || seal.n !== n) {
        findings.add('seal_altered', { object }, `Seal ${n} has not the form of a seal.`)
        continue
      }
      if (this.#last?.seal.n === n - 1 || n === 1) this.#checkOrder({ seal, object })
      this.#next = { seal, object }
    }
  }

  #checkOrder({ seal, object }: Pending): void {
    const before = this.#last?.seal.next ?? { size: 0, root: Buffer.from(EMPTY_ROOT).toString('base64url') }
    const follows = seal.previous.size === before.size && seal.previous.root === before.root
    if (!follows || seal.next.size < seal.previous.size)
      this.#place.findings.add('seal_altered', { object }, `Seal ${seal.n} does not follow from seal ${seal.n - 1}.`)
  }

  /** `leaves`: hashes over the leaf hashes that the seal added, where they are known. */
  async #checkBatch({ seal, object }: Pending, leaves: readonly Uint8Array[] | undefined): Promise<void> {
    const { origin, reader, findings } = this.#place
    this.#staged.add(seal.staging)
    const bytes = await reader.read(stagingKey(origin, seal.staging))
    if (bytes === undefined) {
      if (seal.n === this.#goneUpTo + 1) this.#goneUpTo = seal.n
      else
        findings.add('seal_altered', { object }, `Seal ${seal.n} names a batch that is not there, and older ones are.`)
      return
    }
    const where = { object: stagingKey(origin, seal.staging) }
    const isNamed = sha256(bytes) === seal.staging
    const fits = ({ n, leaves: own }: StagedLeaves) => n === seal.n && (leaves === undefined || isOneOf(leaves, own))
    const quickly = isNamed ? stagedLeavesAsWritten(bytes) : undefined
    if (quickly !== undefined && fits(quickly)) return
    const staged = isNamed ? stagedLeaves(bytes) : undefined
    if (staged === undefined) findings.add('staging_altered', where, 'A staged batch is not what its name says.')
    else if (!fits(staged))
      findings.add('staging_altered', where, `The staged batch of seal ${seal.n} holds other entries than it added.`)
  }

  /** A closed log says where it ended. The file may lag behind the seal when its writer was killed. */
  async #checkClosed(last: Seal | undefined): Promise<void> {
    const { origin, reader, findings } = this.#place
    const object = closedKey(origin)
    const bytes = await reader.read(object)
    if (bytes === undefined) return
    const { size, root } = last?.next ?? {}
    const wanted = `${JSON.stringify({ size, root, successor: last?.successor })}\n`
    if (last?.successor === undefined || Buffer.from(bytes).toString('latin1') !== wanted)
      findings.add('seal_altered', { object }, 'What closes the log is not what its last seal says.')
  }

  /** Batches that no seal names: of writers who lost the race for a number, or of a seal whose word about it was changed. */
  async #checkOrphans(): Promise<void> {
    const { origin, reader, findings } = this.#place
    for await (const name of reader.list(`${origin}.meta/staging/`)) {
      if (this.#staged.has(name)) continue
      const where = { object: `${origin}.meta/staging/${name}` }
      const bytes = await reader.read(where.object)
      const staged = bytes === undefined || sha256(bytes) !== name ? undefined : stagedOf(bytes)
      if (staged === undefined) findings.add('staging_altered', where, 'A staged batch is not what its name says.')
      else if (staged.n <= this.#goneUpTo) {
        const object = sealKey(origin, staged.n)
        findings.add(
          'seal_altered',
          { object },
          `Seal ${staged.n} names another batch than the one that was staged for it.`,
        )
      }
    }
  }
}

/** A seal in exactly the bytes that its writer makes. */
function exactSeal(bytes: Uint8Array): Seal | undefined {
  try {
    const seal = decodeSeal(bytes)
    return Buffer.compare(encodeSeal(seal), bytes) === 0 ? seal : undefined
  } catch {
    return undefined
  }
}

function stagedOf(bytes: Uint8Array): Staged | undefined {
  try {
    return decodeStaged(bytes)
  } catch {
    return undefined
  }
}

const digestsOf = ({ own, told }: Batch): Uint8Array[] => [own, told].flatMap((hash) => hash?.copy().digest() ?? [])
const isOneOf = (list: readonly Uint8Array[], hash: Uint8Array): boolean => list.some((one) => sameHash(one, hash))

function hasRoot({ next }: Seal, roots: Roots): boolean {
  const root = Buffer.from(next.root, 'base64url')
  return isOneOf(roots, root)
}
