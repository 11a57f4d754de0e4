import {
  type Authority,
  AuthorityReader,
  type ControlPosition,
  type ControlStep,
  type ReadStream,
} from '@writ/authority'
import { coalesce } from '@writ/bus'
import type { Rev } from '@writ/contracts'

export interface GuardOptions {
  readonly authority: Authority
  readonly read: ReadStream
  /** How far an earlier run had come. */
  readonly known: ControlPosition | undefined
  /** The least that the enrolment package demands. */
  readonly least: Rev | undefined
  readonly savePosition: (position: ControlPosition) => Promise<void>
  /** Called as soon as a message counts, before anything is written: whoever must stop, stops. */
  readonly onControl: (step: ControlStep) => void
}

/**
 * Who may, and what is withdrawn, as far as this gateway knows; and whether it knows enough to begin anything. What it
 * knows only grows: how far it came is on disk, and a CONTROL that holds less, or something else, is refused.
 */
export class Guard {
  readonly authority: Authority
  readonly #options: GuardOptions
  readonly #reader: AuthorityReader
  readonly #refresh = coalesce(() => this.#readToEnd())
  #digestAtKnown: string | undefined
  /** When the last reading that came to its end began, on the monotonic clock; undefined: none has, or a later one failed. */
  #readAtMs: number | undefined
  #saved: ControlPosition | undefined

  constructor(options: GuardOptions) {
    this.authority = options.authority
    this.#options = options
    this.#saved = options.known
    this.#reader = new AuthorityReader(options.authority, options.read, (step) => this.#onControl(step))
  }

  /**
   * Reads SIGNERS and CONTROL to their ends. Throws Fault `unavailable` while one of them cannot be read, a message is withheld,
   * CONTROL holds less than it did, it has no genesis, or the position cannot be kept: then nothing may begin. A reading that began
   * within the last `maxAgeMs` will do.
   */
  async refresh(maxAgeMs = 0): Promise<void> {
    const known = this.#readAtMs !== undefined && this.#readAtMs > performance.now() - maxAgeMs
    if (!known) await this.#refresh()
  }

  /** Whether all of CONTROL up to there is applied and kept on the disk, and nothing is known to be amiss: then nothing more has to be read. */
  holds({ stream, seq }: Rev): boolean {
    const { control } = this.authority
    const saved = this.#saved
    return (
      this.#readAtMs !== undefined &&
      control.missing === undefined &&
      control.stream === stream &&
      control.seq >= seq &&
      saved?.stream === stream &&
      saved.seq >= seq
    )
  }

  async #readToEnd(): Promise<void> {
    const beganMs = performance.now()
    try {
      await this.#readAndKeep()
      this.#readAtMs = beganMs
    } catch (error) {
      this.#readAtMs = undefined
      throw error
    }
  }

  async #readAndKeep(): Promise<void> {
    await this.#reader.control()
    const { control } = this.authority
    control.assertHolds(this.#options.known, this.#options.least, () => this.#digestAtKnown)
    if (control.rev.seq !== this.#saved?.seq || control.rev.stream !== this.#saved.stream) await this.#save()
  }

  /** SIGNERS alone: for a message whose signer is not known yet. */
  refreshSigners(): Promise<void> {
    return this.#reader.signers()
  }

  /** Whether a message was applied in an earlier run of this gateway. */
  wasKnown(seq: number): boolean {
    const { known } = this.#options
    return known !== undefined && known.stream === this.authority.control.stream && seq <= known.seq
  }

  async #save(): Promise<void> {
    const { position } = this.authority.control
    if (position === undefined) return
    await this.#options.savePosition(position)
    this.#saved = position
  }

  #onControl(step: ControlStep): void {
    const { position } = this.authority.control
    if (position !== undefined && position.seq === this.#options.known?.seq) this.#digestAtKnown = position.digest
    this.#options.onControl(step)
  }
}
