import { setTimeout as sleep } from 'node:timers/promises'
import { type Authority, AuthorityReader, type ControlPosition, type ControlStep } from '@writ/authority'
import type { Bus } from '@writ/bus'
import { Fault, isFault, KEY_WAIT_MS, type Rev, subjects } from '@writ/contracts'
import type { PositionFile } from './control-position.ts'

export interface FollowerOptions {
  readonly bus: Bus
  readonly authority: Authority
  readonly position: PositionFile
  /** The least that CONTROL must hold, by the enrolment package. */
  readonly least?: Rev
  /** Hears of reads in the background that failed; they are tried again. */
  readonly report: (what: string, error: unknown) => void
  /** How often everything is read without having been woken. Absent: 5 s. */
  readonly pollMs?: number
}

const KEY_RETRY_MS = 250

/**
 * Keeps an authority at what SIGNERS, REGISTRY and CONTROL hold: woken by what the streams announce, and every few seconds anyway. Each
 * of its calls reads to the end that the stream had when it was made, or throws Fault `unavailable`.
 */
export class AuthorityFollower implements AsyncDisposable {
  readonly authority: Authority
  readonly #options: FollowerOptions
  readonly #reader: AuthorityReader
  readonly #queued = new Set<string>()
  readonly #listeners = new Set<(step: ControlStep) => void>()
  readonly #stops: (() => void)[] = []
  #known: ControlPosition | undefined
  #digestAtKnown: string | undefined
  #steps: ControlStep[] = []
  #held = false
  #problem: string | undefined = 'CONTROL has not been read yet.'

  private constructor(options: FollowerOptions, known: ControlPosition | undefined) {
    this.authority = options.authority
    this.#options = options
    this.#known = known
    this.#reader = new AuthorityReader(
      options.authority,
      (stream, read) => options.bus.read(stream, read),
      (step) => this.#heard(step),
    )
  }

  /** Subscribes. It has read nothing yet: `signers`, `registry` and `control` do. */
  static async start(options: FollowerOptions): Promise<AuthorityFollower> {
    const follower = new AuthorityFollower(options, await options.position.read())
    const { bus, pollMs = 5000 } = options
    const at = subjects(options.authority.region)
    const records = () => {
      follower.#wake('signers')
      follower.#wake('registry')
    }
    const all = () => {
      records()
      follower.#wake('control')
    }
    const control = await bus.subscribe(at.stored(at.controlAll), () => follower.#wake('control'))
    const registry = await bus.subscribe(at.stored(at.under('registry')), records)
    const poll = setInterval(all, pollMs)
    follower.#stops.push(
      () => control.unsubscribe(),
      () => registry.unsubscribe(),
      () => clearInterval(poll),
      bus.onReconnect(all),
    )
    return follower
  }

  /** Why CONTROL cannot be relied on now; undefined when it can. */
  get problem(): string | undefined {
    if (this.#problem !== undefined) return this.#problem
    return this.authority.control.stream === undefined ? 'CONTROL has no genesis yet.' : undefined
  }

  /** The control message applied last. Throws Fault `unavailable` before genesis and while CONTROL cannot be relied on. */
  rev(): Rev {
    if (this.problem !== undefined) throw new Fault('unavailable', { message: this.problem })
    return this.authority.control.rev
  }

  signers(): Promise<void> {
    return this.#reader.signers()
  }

  registry(): Promise<void> {
    return this.#reader.registry()
  }

  /** CONTROL to its end, after SIGNERS; the position is durable when it resolves. */
  async control(): Promise<void> {
    try {
      await this.#reader.control()
      this.#assertHeld()
      await this.#keepPosition()
      this.#problem = undefined
    } catch (error) {
      this.#problem = isFault(error) ? error.message : 'CONTROL cannot be read.'
      throw error
    }
    const steps = this.#steps.splice(0)
    for (const step of steps) for (const listener of this.#listeners) listener(step)
  }

  /** Hears each control message, valid or void, that is stored after this service's first reading. */
  onControl(listener: (step: ControlStep) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * For messages of other services, whose key may be newer than what was read: while `check` throws `unknown_key`, SIGNERS is read again,
   * for up to 5 s. Not for what strangers send.
   */
  async waitForKey<T>(check: () => T): Promise<T> {
    const end = performance.now() + KEY_WAIT_MS
    for (let reads = 0; ; reads += 1) {
      try {
        return check()
      } catch (error) {
        if (!isFault(error) || error.code !== 'unknown_key' || performance.now() > end) throw error
      }
      if (reads > 0) await sleep(KEY_RETRY_MS)
      await this.signers()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const stop of this.#stops.splice(0)) stop()
  }

  #heard(step: ControlStep): void {
    const { position } = this.authority.control
    if (position !== undefined && position.seq === this.#known?.seq) this.#digestAtKnown = position.digest
    if (this.#held && step.kind !== 'withheld') this.#steps.push(step)
  }

  /** Once: from then on the reader holds each reading against the last one. */
  #assertHeld(): void {
    if (this.#held) return
    const { control } = this.authority
    control.assertHolds(this.#known, this.#options.least, () => this.#digestAtKnown)
    this.#held = control.stream !== undefined
  }

  async #keepPosition(): Promise<void> {
    const { position } = this.authority.control
    if (position === undefined || (position.stream === this.#known?.stream && position.seq === this.#known.seq)) return
    await this.#options.position.write(position)
    this.#known = position
  }

  /** One reading that has not begun satisfies everybody who wakes it. */
  #wake(what: 'signers' | 'registry' | 'control'): void {
    if (this.#queued.has(what)) return
    this.#queued.add(what)
    void Promise.resolve()
      .then(() => {
        this.#queued.delete(what)
        return this[what]()
      })
      .catch((error: unknown) => this.#options.report(what, error))
  }
}
