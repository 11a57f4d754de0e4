import { isFault, REASON_CODES } from '@writ/contracts'
import { type Format, REFUSED } from './format.ts'

/** The promises about reading; each has a deliberately broken reader in broken.ts that breaks it. */
export const PROMISES = [
  'takes-samples',
  'only-faults',
  'closed-codes',
  'in-time',
  'in-memory',
  'no-pollution',
  'genuine',
  'round-trip',
  'one-form',
  'sound',
] as const
export type Promised = (typeof PROMISES)[number]

export interface Finding {
  readonly promised: Promised
  readonly what: string
}

export type Verdict =
  | { readonly kind: 'accepted' }
  | { readonly kind: 'refused'; readonly code: string }
  | { readonly kind: 'finding'; readonly finding: Finding }

/** Longer is looked at again: on a busy machine a single measurement says little. */
export const READ_MS_MAX = 250
const CODES: ReadonlySet<string> = new Set(REASON_CODES)
const PROTOTYPES: readonly object[] = [
  Object.prototype,
  Array.prototype,
  String.prototype,
  Number.prototype,
  Function.prototype,
  Map.prototype,
  Uint8Array.prototype,
]
const sizes = PROTOTYPES.map((prototype) => Reflect.ownKeys(prototype).length)

/** The texts of what the samples mean, for formats whose keys are checked. Throws where a sample itself is refused. */
export async function meaningsOf(
  format: Format,
  beforeRead: (input: Uint8Array) => void,
): Promise<ReadonlySet<string>> {
  const meanings = new Set<string>()
  for (const [at, sample] of format.samples.entries()) {
    beforeRead(sample)
    const verdict = await judge(format, sample, undefined)
    if (verdict.kind !== 'accepted') {
      const why = verdict.kind === 'refused' ? `it is refused: ${verdict.code}` : verdict.finding.what
      throw new SampleRefused(`Sample ${at} of ${format.name}: ${why}`)
    }
    meanings.add(meaningIn(format, await format.read(sample)))
  }
  return meanings
}

export class SampleRefused extends Error {
  override readonly name = 'SampleRefused'
}

/** Reads one input and holds the reader to its promises. `meanings`: of the samples. */
export async function judge(
  format: Format,
  input: Uint8Array,
  meanings: ReadonlySet<string> | undefined,
): Promise<Verdict> {
  const before = Buffer.from(input)
  const begun = performance.now()
  let value: unknown
  try {
    const read = format.read(input)
    value = read instanceof Promise ? await read : read
  } catch (error) {
    return (await afterwards(format, input, begun)) ?? refusal(format, error)
  }
  const after = await afterwards(format, input, begun)
  if (after !== undefined) return after
  if (!before.equals(input)) return broken('sound', 'The reader changed its input.')
  if (value === REFUSED) return { kind: 'refused', code: 'no' }
  return judgeValue(format, input, value, meanings)
}

async function judgeValue(
  format: Format,
  input: Uint8Array,
  value: unknown,
  meanings: ReadonlySet<string> | undefined,
): Promise<Verdict> {
  const foreign = foreignPrototype(value)
  if (foreign !== undefined) return broken('no-pollution', foreign)
  if (format.genuine === true && meanings !== undefined && !meanings.has(meaningIn(format, value)))
    return broken('genuine', `Accepted with a meaning that nobody signed: ${meaningIn(format, value).slice(0, 300)}`)
  const unsound = format.check?.(value, input)
  if (unsound !== undefined) return broken('sound', unsound)
  const written = format.write?.(value)
  if (written === undefined) return { kind: 'accepted' }
  if (format.oneForm === true && !Buffer.from(written).equals(input))
    return broken('one-form', 'Accepted in another form than the one that is written.')
  try {
    const again = meaningIn(format, await format.read(written))
    if (again !== meaningIn(format, value))
      return broken('round-trip', `Written and read again it is ${again.slice(0, 300)}`)
  } catch (error) {
    return broken('round-trip', `Written, it is refused: ${describe(error)}`)
  }
  return { kind: 'accepted' }
}

function refusal(format: Format, error: unknown): Verdict {
  if (isFault(error)) {
    if (CODES.has(error.code)) return { kind: 'refused', code: error.code }
    return broken('closed-codes', `A Fault with the code ${String(error.code)}.`)
  }
  const code = format.refusalOf?.(error)
  return code === undefined ? broken('only-faults', `Threw ${describe(error)}`) : { kind: 'refused', code }
}

async function afterwards(format: Format, input: Uint8Array, begun: number): Promise<Verdict | undefined> {
  let ms = performance.now() - begun
  if (++reads % LOOK_CLOSELY_EVERY === 0 ? isChanged() : isPolluted()) {
    restorePrototypes()
    return broken('no-pollution', 'A prototype of the language was changed.')
  }
  for (let again = 0; again < 3 && ms > READ_MS_MAX; again++) {
    const from = performance.now()
    try {
      await format.read(input)
    } catch {
      // What it says was judged; here only the time counts.
    }
    ms = Math.min(ms, performance.now() - from)
  }
  return ms > READ_MS_MAX ? broken('in-time', `Took ${Math.round(ms)} ms for ${input.length} bytes.`) : undefined
}

/** Members that are not enumerable are looked for once in so many inputs; those that an assignment makes, after each. */
const LOOK_CLOSELY_EVERY = 64
let reads = 0

function isPolluted(): boolean {
  for (const _ in {}) return true
  for (const _ in []) return true
  for (const _ in isPolluted) return true
  return false
}

function isChanged(): boolean {
  return PROTOTYPES.some((prototype, at) => Reflect.ownKeys(prototype).length !== sizes[at])
}

const known: readonly (readonly PropertyKey[])[] = PROTOTYPES.map((prototype) => Reflect.ownKeys(prototype))

/** So that one pollution is one finding. */
function restorePrototypes(): void {
  for (const [at, prototype] of PROTOTYPES.entries()) {
    for (const key of Reflect.ownKeys(prototype)) if (!known[at]?.includes(key)) Reflect.deleteProperty(prototype, key)
  }
}

const ORDINARY: ReadonlySet<object | null> = new Set([null, Object.prototype, Array.prototype, Map.prototype])

/** A value whose prototype came from the input. Instances of classes are not looked into. */
function foreignPrototype(value: unknown, depth = 0): string | undefined {
  if (typeof value !== 'object' || value === null || depth > 8 || ArrayBuffer.isView(value)) return undefined
  const prototype = Object.getPrototypeOf(value) as object | null
  if (!ORDINARY.has(prototype)) {
    const own = prototype !== null && Object.hasOwn(prototype, 'constructor')
    return own ? undefined : 'A value has a prototype that came from the input.'
  }
  for (const inner of Array.isArray(value) ? value : Object.values(value)) {
    const found = foreignPrototype(inner, depth + 1)
    if (found !== undefined) return found
  }
  return undefined
}

function broken(promised: Promised, what: string): Verdict {
  return { kind: 'finding', finding: { promised, what } }
}

function meaningIn(format: Format, value: unknown): string {
  return said(value === REFUSED ? 'refused' : (format.meaning?.(value) ?? value))
}

/** A value as text, so that two of them can be compared. Maps and bytes count by what they hold. */
function said(value: unknown): string {
  return JSON.stringify(value, function (this: Record<string, unknown>, name: string, inner: unknown) {
    // Buffers were turned into lists by their own toJSON before this is asked.
    const raw = this[name]
    if (raw instanceof Uint8Array) return { bytes: Buffer.from(raw).toString('base64') }
    if (inner instanceof Map) return { map: [...inner] }
    return typeof inner === 'number' && !Number.isFinite(inner) ? `number ${inner}` : inner
  })
}

function describe(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}`.slice(0, 300) : `a ${typeof error}`
}
