import { Fault, type RecordKind, type StreamName, type Subjects, subjects } from '@writ/contracts'
import { sha256 } from '@writ/keys'
import type { Authority } from '../core/authority.ts'
import type { ControlStep } from '../core/control-state.ts'

/** A message as a stream keeps it. */
export interface StoredMessage {
  readonly subject: string
  readonly seq: number
  readonly data: Uint8Array
  readonly ttl: boolean
}

/**
 * Every stored message that matches, in order, from `fromSeq` to the stream's end at least as it was when the call began.
 * Throws Fault `unavailable` when it cannot get there: never an early end.
 */
export type ReadStream = (
  stream: StreamName,
  options: { fromSeq: number; filter: string },
) => AsyncIterable<StoredMessage>

/**
 * Brings an authority up to what the streams hold, on demand, for who has no live copies of them or needs none: each call reads
 * what came since the last one. Calls may overlap; none is satisfied by a read that began before it.
 */
export class AuthorityReader {
  readonly authority: Authority
  readonly #read: ReadStream
  readonly #subjects: Subjects
  readonly #onControl: (step: ControlStep) => void
  readonly #next: Record<'SIGNERS' | 'REGISTRY' | 'CONTROL', number> = { SIGNERS: 1, REGISTRY: 1, CONTROL: 1 }
  #turn: Promise<unknown> = Promise.resolve()

  constructor(authority: Authority, read: ReadStream, onControl: (step: ControlStep) => void = () => undefined) {
    this.authority = authority
    this.#read = read
    this.#subjects = subjects(authority.region)
    this.#onControl = onControl
  }

  /** Keys, operators, gateways and policy: what signatures are checked with. */
  signers(): Promise<void> {
    return this.#inTurn(() => this.#records('SIGNERS'))
  }

  /** Agents, devices and approvers: for services and operators. */
  registry(): Promise<void> {
    return this.#inTurn(() => this.#records('REGISTRY'))
  }

  /**
   * CONTROL, after SIGNERS to its end. Throws Fault `unavailable` while a message is withheld, and when the message applied last is
   * not there any more: a stream that was made again under a reader would else look like one in which nothing new is stored.
   */
  control(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#records('SIGNERS')
      const { seq: known, digest } = this.authority.control
      let held = known === 0
      for await (const { subject, seq, data, ttl } of this.#read('CONTROL', {
        fromSeq: Math.max(1, known),
        filter: this.#subjects.controlAll,
      })) {
        held ||= seq === known && sha256(data) === digest
        if (!held) throw new Fault('unavailable', { message: 'CONTROL holds another message where one was known.' })
        if (seq < this.#next.CONTROL) continue
        const [operatorId] = this.#subjects.idsOf('control', subject) ?? []
        if (operatorId === undefined) continue
        const step = this.authority.control.apply({ operatorId, seq, data, ttl })
        this.#onControl(step)
        if (step.kind === 'withheld')
          throw new Fault('unavailable', { message: `Message ${step.missing} of CONTROL is withheld.` })
        this.#next.CONTROL = seq + 1
      }
      if (!held) throw new Fault('unavailable', { message: 'CONTROL holds less than it held before.' })
    })
  }

  async #records(stream: 'SIGNERS' | 'REGISTRY'): Promise<void> {
    for await (const { subject, seq, data } of this.#read(stream, {
      fromSeq: this.#next[stream],
      filter: this.#subjects.under('registry'),
    })) {
      const [kind, id] = this.#subjects.idsOf('registry', subject) ?? []
      if (kind !== undefined && id !== undefined)
        this.authority.trust.apply({ kind: kind as RecordKind | 'key', id, data })
      this.#next[stream] = seq + 1
    }
  }

  #inTurn(read: () => Promise<void>): Promise<void> {
    const mine = this.#turn.then(read, read)
    this.#turn = mine.catch(() => undefined)
    return mine
  }
}
