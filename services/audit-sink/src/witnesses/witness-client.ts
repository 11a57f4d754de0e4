import { type AddCheckpoint, formatAddCheckpoint, type NoteVerifier, openNote, type PolicyWitness } from '@writ/audit'
import { Fault, isFault } from '@writ/contracts'

/** What became of one request for a cosignature. */
export type Asked =
  | { readonly outcome: 'cosigned'; readonly lines: string }
  /** It failed a moment ago, and is left alone for a while. */
  | { readonly outcome: 'skipped' }
  /**
   * `ahead`: it has cosigned a larger tree; so it is while another replica seals, and where it stays so the log was put back. `forked`: what it has cosigned is not
   * the beginning of this.
   */
  | { readonly outcome: 'failed' | 'ahead' | 'forked'; readonly message: string }

/** A checkpoint to be cosigned. */
export interface Signed {
  readonly origin: string
  readonly size: number
  /** The signed note. */
  readonly note: string
  /** RFC 6962 consistency proof from an older size to this one. */
  readonly prove: (older: number) => Promise<readonly Uint8Array[]>
}

export interface WitnessClientOptions {
  readonly witness: PolicyWitness & { readonly url: string }
  /** A witness that has not answered by then, however often it was asked, is done without. */
  readonly timeoutMs: number
  readonly monotonicMs: () => number
}

/** A witness that failed is not asked again for so long: it must not slow every seal down. */
const REST_MS = 10_000
/** The first request may be about a size that the witness has left; its answer says which it is at. */
const ATTEMPTS_MAX = 3
const ANSWER_CHARACTERS_MAX = 65_536
/** Of an answer that are looked at. */
const LINES_MAX = 64

/** Asks one witness (C2SP tlog-witness). It remembers how far the witness is with each log; the witness itself decides. Never throws. */
export class WitnessClient {
  readonly #options: WitnessClientOptions
  readonly #sizes = new Map<string, number>()
  #restUntilMs = Number.NEGATIVE_INFINITY

  constructor(options: WitnessClientOptions) {
    this.#options = options
  }

  get name(): string {
    return this.#options.witness.name
  }

  async ask(signed: Signed): Promise<Asked> {
    if (this.#options.monotonicMs() < this.#restUntilMs) return { outcome: 'skipped' }
    try {
      const asked = await this.#ask(signed)
      if (asked.outcome === 'failed') this.#rest()
      return asked
    } catch (error) {
      this.#rest()
      const { name, message } = error instanceof Error ? error : { name: 'Error', message: '' }
      return { outcome: 'failed', message: isFault(error) ? message : `It does not answer (${name}).` }
    }
  }

  async #ask({ origin, size, note, prove }: Signed): Promise<Asked> {
    const untilMs = this.#options.monotonicMs() + this.#options.timeoutMs
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const older = this.#sizes.get(origin) ?? 0
      if (older > size) return this.#ahead(origin, older, size)
      const proof = older === 0 ? [] : await prove(older)
      const { status, text } = await this.#post({ older, proof, checkpoint: note }, untilMs)
      if (status === 200) {
        const lines = ownLine(note, text, this.#options.witness.verifier)
        this.#sizes.set(origin, size)
        return { outcome: 'cosigned', lines }
      }
      if (status === 422 && older > 0) return forked(`of size ${older} is not the beginning of this one of ${size}`)
      const at = status === 409 && /^\d{1,16}\n$/.test(text) ? Number(text) : undefined
      if (at === undefined) return { outcome: 'failed', message: `It answers with ${status}.` }
      if (at === older && older === size) return forked(`of size ${size} is another one`)
      this.#sizes.set(origin, at)
    }
    return { outcome: 'failed', message: 'It says another size each time.' }
  }

  /** What is remembered of it is forgotten, so that it is asked again. */
  #ahead(origin: string, older: number, size: number): Asked {
    this.#sizes.delete(origin)
    return { outcome: 'ahead', message: `It has cosigned a tree of size ${older}; this one has ${size}.` }
  }

  async #post(request: AddCheckpoint, untilMs: number): Promise<{ readonly status: number; readonly text: string }> {
    const { witness, monotonicMs } = this.#options
    const response = await fetch(`${witness.url.replace(/\/$/, '')}/add-checkpoint`, {
      method: 'POST',
      body: formatAddCheckpoint(request),
      redirect: 'error',
      signal: AbortSignal.timeout(Math.max(1, Math.ceil(untilMs - monotonicMs()))),
    })
    return { status: response.status, text: (await response.text()).slice(0, ANSWER_CHARACTERS_MAX) }
  }

  #rest(): void {
    this.#restUntilMs = this.#options.monotonicMs() + REST_MS
  }
}

const forked = (how: string): Asked => ({
  outcome: 'forked',
  message: `The tree that it has cosigned ${how}: somebody was shown another history.`,
})

/**
 * The witness's own line, verified, and nothing else that it sends along: a note holds 64 lines, and one that is too long could not be read again.
 * Throws Fault `bad_signature` where there is none.
 */
function ownLine(note: string, lines: string, verifier: NoteVerifier): string {
  const text = note.slice(0, note.lastIndexOf('\n\n') + 2)
  const own = lines
    .split('\n')
    .slice(0, LINES_MAX)
    .find((line) => line.startsWith(`— ${verifier.name} `) && verifies(`${text}${line}\n`, verifier))
  if (own === undefined) throw new Fault('bad_signature', { message: 'Its cosignature does not verify.' })
  return `${own}\n`
}

function verifies(note: string, verifier: NoteVerifier): boolean {
  try {
    return openNote(note, [verifier]).cosignatures.length === 1
  } catch (error) {
    if (!isFault(error)) throw error
    return false
  }
}
