import type { Bucket } from '@writ/bus'
import { Compact, Fault } from '@writ/contracts'
import { digestOf } from '@writ/keys'
import { z } from 'zod'
import { chunksAfter, toChunks } from '../core/chunks.ts'
import { decisionKey } from '../core/intent-record.ts'

/** A decision with the exact messages that it was made from and names: what token-issuer and the plan need of it. */
export interface DecisionFile {
  readonly decision: string
  readonly reports: readonly string[]
  readonly approvals: readonly string[]
  readonly attestations: readonly string[]
}

export interface NumberedFile extends DecisionFile {
  readonly n: number
  readonly digest: string
}

const File: z.ZodType<DecisionFile> = z.strictObject({
  decision: Compact,
  reports: z.array(Compact),
  approvals: z.array(Compact),
  attestations: z.array(Compact),
})
const NUMBER_MAX = 128
const WHOLE_MAX = 10_000
/** What is left under a key whose text nobody needs any more. */
const FORGOTTEN = '-'

/** Decisions about intents, under `<state key>.decision.<n>`: each number is written once, by whoever was first. */
export class DecisionFiles {
  readonly #bucket: Bucket
  /** Of decisions that this process stored in one piece. */
  readonly #whole = new Set<string>()

  constructor(bucket: Bucket) {
    this.#bucket = bucket
  }

  /** Stores a decision under `n`, or tells that there is one. The first piece comes last: with it the file is whole. */
  async create(key: string, n: number, file: DecisionFile): Promise<'created' | 'exists'> {
    const [first, ...rest] = toChunks(JSON.stringify(file))
    const holder = rest.length > 0 ? await this.#bucket.get(decisionKey(key, n)) : undefined
    if (holder !== undefined) return 'exists'
    // Two that write one number at once would mix their pieces, so pieces lie under the decision's own digest.
    for (const [index, piece] of rest.entries()) await this.#bucket.put(pieceKey(key, n, file.decision, index), piece)
    const value = `${digestOf(file.decision)}\n${first}`
    if ((await this.#bucket.create(decisionKey(key, n), value)) === 'exists') return 'exists'
    if (rest.length === 0) this.#noteWhole(decisionKey(key, n))
    return 'created'
  }

  /** Stores it under the next number that is free, from `from` on. */
  async append(key: string, from: number, file: DecisionFile): Promise<NumberedFile> {
    for (let n = from; n <= NUMBER_MAX; n++)
      if ((await this.create(key, n, file)) === 'created') return { ...file, n, digest: digestOf(file.decision) }
    throw new Fault('rate_limited', { message: 'The intent was decided too often.' })
  }

  /** Undefined: there is none, or its intent is settled. Throws Fault `internal` on what `create` did not write. */
  async read(key: string, n: number): Promise<NumberedFile | undefined> {
    const entry = await this.#bucket.get(decisionKey(key, n))
    const text = entry === undefined ? '' : Buffer.from(entry.value).toString('utf8')
    const end = text.indexOf('\n')
    if (end < 1) return undefined
    const { more, text: head } = chunksAfter(text.slice(end + 1))
    const digest = text.slice(0, end)
    let json = head
    for (let index = 0; index < more; index++) {
      const piece = await this.#bucket.get(`${decisionKey(key, n)}.${digest}.${index}`)
      if (piece === undefined) throw new Fault('unavailable', { message: 'A piece of a decision is not there.' })
      json += Buffer.from(piece.value).toString('utf8')
    }
    return { ...fileIn(json), n, digest }
  }

  /** Leaves a byte under each of its keys. */
  async forget(key: string, n: number): Promise<void> {
    if (!this.#whole.delete(decisionKey(key, n))) await this.#forgetPieces(key, n)
    await this.#bucket.put(decisionKey(key, n), FORGOTTEN)
  }

  /** Forgets what was stored after number `count` and never taken down: the intent ended, or the process, before that. */
  async forgetAfter(key: string, count: number): Promise<void> {
    for (let n = count + 1; n <= NUMBER_MAX; n++) {
      if ((await this.#bucket.get(decisionKey(key, n))) === undefined) return
      await this.forget(key, n)
    }
  }

  async #forgetPieces(key: string, n: number): Promise<void> {
    const entry = await this.#bucket.get(decisionKey(key, n))
    const [digest, count] = Buffer.from(entry?.value ?? '')
      .toString('utf8')
      .split('\n', 2)
    for (let index = 0; index < Number(count ?? 1) - 1; index++)
      await this.#bucket.put(`${decisionKey(key, n)}.${digest}.${index}`, FORGOTTEN)
  }

  #noteWhole(name: string): void {
    this.#whole.add(name)
    const oldest = this.#whole.values().next().value
    if (this.#whole.size > WHOLE_MAX && oldest !== undefined) this.#whole.delete(oldest)
  }

  /** The file of a decision by its digest, looked for from number `from` down. */
  async find(key: string, digest: string, from: number): Promise<NumberedFile | undefined> {
    for (let n = from; n >= 1; n--) {
      const file = await this.read(key, n)
      if (file?.digest === digest) return file
    }
    return undefined
  }
}

function pieceKey(key: string, n: number, decision: string, index: number): string {
  return `${decisionKey(key, n)}.${digestOf(decision)}.${index}`
}

function fileIn(json: string): DecisionFile {
  try {
    return File.parse(JSON.parse(json))
  } catch (cause) {
    throw new Fault('internal', { message: 'A stored decision cannot be read.', cause })
  }
}
