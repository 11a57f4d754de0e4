import {
  cosignedText,
  formatNote,
  NOTE_COSIGNATURE,
  type NoteVerifier,
  noteVerifier,
  openNote,
  timedSignature,
} from '@writ/audit'
import { Fault } from '@writ/contracts'
import { fromBase64url, type Signer } from '@writ/keys'
import { type Asked, type Judgement, judgeCheckpoint, readRequest } from './core/judge-checkpoint.ts'
import { logId, Records } from './records.ts'

export interface WitnessOptions {
  /** Its name in signature lines: a schema-less URL, for example `witness.example.com/w1`. */
  readonly name: string
  /** Ed25519, of this witness alone: a cosignature does not name its log. */
  readonly signer: Signer
  /** vkeys of the logs: of one epoch, or of `<domain>/<r>` for all its epochs. */
  readonly logs: readonly NoteVerifier[]
  /** Where the newest checkpoint of each log is kept. Held by one process: `lockDirectory` it. */
  readonly dir: string
  readonly nowSeconds: () => number
}

export type Answer = Judgement | { readonly verdict: 'cosigned'; readonly lines: string }

/**
 * Cosigns checkpoints that continue what it cosigned before (C2SP tlog-witness). Requests about one log are handled one after another, and a tree is on
 * disk before its cosignature leaves.
 */
export class Witness {
  readonly verifier: NoteVerifier
  readonly #options: WitnessOptions
  readonly #records: Records
  /** The last request about a log, which the next one waits for. */
  readonly #busy = new Map<string, Promise<unknown>>()

  /** Throws Fault `malformed` for a key that is not Ed25519 or is a log's, and RangeError for a name that notes cannot have. */
  constructor(options: WitnessOptions) {
    const { jwk } = options.signer
    if (jwk.kty !== 'OKP') throw new Fault('malformed', { message: 'A witness signs with Ed25519.' })
    this.verifier = noteVerifier(options.name, fromBase64url(jwk.x), NOTE_COSIGNATURE)
    if (options.logs.some(({ publicKey }) => Buffer.compare(publicKey, this.verifier.publicKey) === 0))
      throw new Fault('malformed', { message: 'The key of this witness is a log’s; it must be another one.' })
    this.#options = options
    this.#records = new Records(options.dir)
  }

  /** Answers a request body. Throws Fault `unavailable` where the record cannot be read or kept: then nothing was cosigned. */
  async addCheckpoint(body: string): Promise<Answer> {
    const asked = readRequest(body, this.#options.logs)
    if ('verdict' in asked) return asked
    const turn = (this.#busy.get(asked.origin) ?? Promise.resolve()).then(() => this.#answer(asked))
    const settled = turn.catch(() => undefined)
    this.#busy.set(asked.origin, settled)
    try {
      return await turn
    } finally {
      if (this.#busy.get(asked.origin) === settled) this.#busy.delete(asked.origin)
    }
  }

  /** The newest checkpoint of a log with this witness's cosignature, for monitors. `id`: hex SHA-256 of the log's origin. */
  async newest(id: string): Promise<string | undefined> {
    return (await this.#records.read(id))?.checkpoint
  }

  async #answer(asked: Asked): Promise<Answer> {
    const judged = judgeCheckpoint(asked, await this.#records.read(logId(asked.origin)))
    if (judged.verdict !== 'cosign') return judged
    const { origin, text, tree } = judged
    const note = await this.#cosign(text)
    await this.#records.write(origin, { ...tree, checkpoint: joined(asked, note) })
    return { verdict: 'cosigned', lines: linesOf(note) }
  }

  async #cosign(text: string): Promise<string> {
    const timeSeconds = this.#options.nowSeconds()
    const signature = await this.#options.signer.sign(Buffer.from(cosignedText(timeSeconds, text)))
    const note = formatNote(text, [{ verifier: this.verifier, signature: timedSignature(timeSeconds, signature) }])
    openNote(note, [this.verifier])
    return note
  }
}

const linesOf = (note: string): string => note.slice(note.lastIndexOf('\n\n') + 2)

/** Lines of keys that nobody here knows are left out: whoever submits a checkpoint could fill it up with them. */
function joined({ request: { checkpoint }, known }: Asked, cosigned: string): string {
  const own = linesOf(checkpoint)
    .split('\n')
    .filter((line) => known.some((key) => isLineOf(line, key)))
  return `${cosigned.slice(0, -linesOf(cosigned).length)}${own.map((line) => `${line}\n`).join('')}${linesOf(cosigned)}`
}

function isLineOf(line: string, { name, keyId }: NoteVerifier): boolean {
  const [, named, blob] = line.split(' ')
  return (
    named === name &&
    Buffer.from(blob ?? '', 'base64')
      .subarray(0, 4)
      .toString('hex') === hex(keyId)
  )
}

const hex = (keyId: number): string => keyId.toString(16).padStart(8, '0')
