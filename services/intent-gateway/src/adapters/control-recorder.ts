import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AuthorityReader, type ControlStep, createAuthority } from '@writ/authority'
import { type Bus, coalesce } from '@writ/bus'
import { Id, type Trust } from '@writ/contracts'
import { errnoOf, writeFileDurably } from '@writ/durable'
import { z } from 'zod'

const Position = z.strictObject({ stream: Id, seq: z.int().min(0) })

export interface ControlRecorderOptions {
  readonly bus: Pick<Bus, 'read'>
  readonly region: string
  readonly trust: Trust
  readonly stateDir: string
  /** Resolves when the step is durable in the log's stream. */
  readonly record: (step: ControlStep) => Promise<void>
}

/**
 * Records each message of CONTROL once for this state directory, in order, also what came while nobody ran: the position is written
 * after the record is durable. It reads CONTROL by itself, from the start, so that valid and void are told apart as everybody does.
 */
export class ControlRecorder {
  /** Records what has come since. Throws Fault `unavailable`: it goes on from there at the next call. */
  readonly catchUp: () => Promise<void>
  readonly #options: ControlRecorderOptions
  readonly #reader: AuthorityReader
  readonly #steps: ControlStep[] = []
  #recorded: z.output<typeof Position> | undefined

  private constructor(options: ControlRecorderOptions, recorded: z.output<typeof Position> | undefined) {
    this.#options = options
    this.#recorded = recorded
    const authority = createAuthority(options.region, options.trust)
    this.#reader = new AuthorityReader(
      authority,
      (stream, read) => options.bus.read(stream, read),
      (step) => this.#steps.push(step),
    )
    this.catchUp = coalesce(() => this.#catchUp())
  }

  /** Throws when the position cannot be read: it is never guessed. */
  static async open(options: ControlRecorderOptions): Promise<ControlRecorder> {
    const text = await readFile(pathIn(options.stateDir), 'utf8').catch((error: unknown) => {
      if (errnoOf(error) === 'ENOENT') return undefined
      throw error
    })
    return new ControlRecorder(options, text === undefined ? undefined : Position.parse(JSON.parse(text)))
  }

  async #catchUp(): Promise<void> {
    try {
      await this.#reader.control()
    } finally {
      await this.#recordSteps()
    }
  }

  async #recordSteps(): Promise<void> {
    for (let step = this.#steps[0]; step !== undefined; step = this.#steps[0]) {
      const { stream } = this.#reader.authority.control
      const known = stream !== undefined && this.#recorded?.stream === stream && step.seq <= this.#recorded.seq
      if (!known && step.kind !== 'withheld') {
        await this.#options.record(step)
        await this.#keep(stream, step.seq)
      }
      this.#steps.shift()
    }
  }

  async #keep(stream: string | undefined, seq: number): Promise<void> {
    if (stream === undefined) return
    this.#recorded = { stream, seq }
    await writeFileDurably(pathIn(this.#options.stateDir), `${JSON.stringify(this.#recorded)}\n`)
  }
}

function pathIn(stateDir: string): string {
  return join(stateDir, 'control-recorded.json')
}
