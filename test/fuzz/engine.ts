import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import type { Format } from './format.ts'
import { type Finding, judge, meaningsOf, SampleRefused } from './judge.ts'
import { mutate } from './mutate.ts'
import { Random } from './random.ts'
import { shrink } from './shrink.ts'

export interface RunOptions {
  readonly runs: number
  readonly seed: number
  /** Told of each input before it is read, so that somebody else knows which one a reader never came back from. */
  readonly beforeRead?: (input: Uint8Array) => void
}

export interface Found extends Finding {
  /** The shortest input found that breaks the promise. */
  readonly input: Uint8Array
}

export interface Report {
  readonly format: string
  readonly runs: number
  readonly accepted: number
  /** By code, the most frequent first. */
  readonly refused: readonly (readonly [code: string, count: number])[]
  readonly seconds: number
  readonly worstMs: number
  /** What the heap holds more than at the beginning, after collection. */
  readonly grownMiB: number
  readonly finding?: Found
}

/** One input in so many is structured garbage; the others are mutations of valid samples. */
const GARBAGE_EVERY = 5
const BATCH = 250
const BYTES_MAX = 64 * 1024
/** A reader may keep caches; what it keeps for each input would be more than this. */
const GROWN_MIB_MAX = 64

/** Reads `runs` inputs and stops at the first finding. The same seed gives the same inputs. */
export async function run(format: Format, { runs, seed, beforeRead = () => {} }: RunOptions): Promise<Report> {
  const tally = new Tally(format.name)
  let meanings: ReadonlySet<string>
  try {
    meanings = await meaningsOf(format, beforeRead)
  } catch (error) {
    if (!(error instanceof SampleRefused)) throw error
    const input = format.samples[0] ?? new Uint8Array(0)
    return tally.report({ promised: 'takes-samples', what: error.message, input })
  }
  // What is made once, such as keys that are imported, is no growth.
  for (const input of inputs(format, seed ^ 0x5eed, Math.min(runs, 500))) {
    beforeRead(input)
    await judge(format, input, meanings)
  }
  const held = await heapMiB()
  const heldMax = held + GROWN_MIB_MAX
  const finding = await readAll(format, meanings, { given: inputs(format, seed, runs), heldMax, beforeRead }, tally)
  const grownMiB = finding === undefined ? (await heapMiB()) - held : 0
  if (grownMiB > GROWN_MIB_MAX)
    return tally.report(
      { promised: 'in-memory', what: `${grownMiB} MiB were kept.`, input: new Uint8Array(0) },
      grownMiB,
    )
  return tally.report(finding, grownMiB)
}

interface Reading {
  readonly given: Iterable<Uint8Array>
  readonly beforeRead: (input: Uint8Array) => void
  /** MiB. */
  readonly heldMax: number
}

async function readAll(
  format: Format,
  meanings: ReadonlySet<string>,
  { given, heldMax, beforeRead }: Reading,
  tally: Tally,
): Promise<Found | undefined> {
  for (const input of given) {
    beforeRead(input)
    const from = performance.now()
    const verdict = await judge(format, input, meanings)
    tally.add(verdict.kind === 'refused' ? verdict.code : undefined, performance.now() - from)
    if (verdict.kind === 'finding') {
      const { promised } = verdict.finding
      const small = await shrink(input, async (candidate) => {
        beforeRead(candidate)
        const again = await judge(format, candidate, meanings)
        return again.kind === 'finding' && again.finding.promised === promised
      })
      const last = await judge(format, small, meanings)
      return { ...(last.kind === 'finding' ? last.finding : verdict.finding), input: small }
    }
    if (tally.runs % 1000 === 0 && heldMiB() > heldMax && (await heapMiB()) > heldMax)
      return { promised: 'in-memory', what: `${heldMiB()} MiB are held.`, input }
  }
  return undefined
}

/** Mutations of the samples with garbage between them. */
export function* inputs(format: Format, seed: number, runs: number): Generator<Uint8Array> {
  const random = new Random(seed)
  const bytesMax = format.bytesMax ?? BYTES_MAX
  let garbage: Uint8Array[] = []
  for (let at = 0; at < runs; at++) {
    if (at % GARBAGE_EVERY === 0) {
      if (garbage.length === 0) {
        const numRuns = Math.min(BATCH, Math.ceil((runs - at) / GARBAGE_EVERY))
        garbage = fc.sample(format.garbage, { seed: random.next() | 0, numRuns })
      }
      yield (garbage.pop() as Uint8Array).subarray(0, bytesMax)
    } else yield mutate(random, format.samples, bytesMax)
  }
}

class Tally {
  readonly #format: string
  readonly #codes = new Map<string, number>()
  readonly #begun = performance.now()
  #runs = 0
  #accepted = 0
  #worstMs = 0

  constructor(format: string) {
    this.#format = format
  }

  get runs(): number {
    return this.#runs
  }

  /** `code` undefined: it was accepted. */
  add(code: string | undefined, ms: number): void {
    this.#runs++
    if (code === undefined) this.#accepted++
    else this.#codes.set(code, (this.#codes.get(code) ?? 0) + 1)
    this.#worstMs = Math.max(this.#worstMs, ms)
  }

  report(finding?: Found, grownMiB = 0): Report {
    return {
      format: this.#format,
      runs: this.#runs,
      accepted: this.#accepted,
      refused: [...this.#codes].sort((a, b) => b[1] - a[1]),
      seconds: (performance.now() - this.#begun) / 1000,
      worstMs: this.#worstMs,
      grownMiB,
      ...(finding !== undefined && { finding }),
    }
  }
}

let collect: (() => void) | undefined

async function heapMiB(): Promise<number> {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc')
    collect = runInNewContext('gc') as () => void
  }
  // What a stream or a large buffer held is let go only after the collection that finds it.
  for (let round = 0; round < 2; round++) {
    collect()
    await setImmediate()
  }
  return heldMiB()
}

/** Of this thread's heap and of the bytes outside of it. */
function heldMiB(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return Math.round((heapUsed + arrayBuffers) / 2 ** 20)
}
