import { type MessageTimes, regressed } from './message-times.ts'
import { silentAfterMinutes } from './silence.ts'
import type { Findings, Where } from './verdicts.ts'

/** Messages `from` to `to` of a source that follow one another without a gap. */
interface Run {
  from: number
  to: number
  /** What the first names as the one before it. */
  prev: string | undefined
  /** Digest of the last. */
  digest: string
  /** Of the first and the last, where they were read. */
  began: MessageTimes | undefined
  ended: MessageTimes | undefined
  /** The last says that the source stopped. */
  stopped: boolean
}

export interface ChainLink {
  readonly source: string
  readonly seq: number
  readonly prev: string | undefined
  readonly digest: string
  readonly times: MessageTimes
  /** Its last event is that the source stopped. */
  readonly stopped: boolean
  readonly where: Where
}

/** What the end of the logs knows beside the chains. */
export interface ChainsEnd {
  /** No log before these is missing. */
  readonly wholeHistory: boolean
  /** In how many minutes after an instant services signed something. */
  readonly activeMinutesAfter: (seconds: number) => number
  /** Whether operators have withdrawn the record of a source: then it has reason to be silent. */
  readonly isWithdrawn: (source: string) => boolean
}

interface PreviousBoot {
  readonly source: string
  readonly seq: number
  readonly digest: string
  readonly by: Where
}

/** Positions are numbers: a message's number times this, plus the place in its list of events (at most 64). */
export const EVENT_SLOTS = 64

/** The chains of all sources, in whatever order their messages entered the log: one run a source, unless something is missing. */
export class SourceChains {
  readonly #runs = new Map<string, Run[]>()
  readonly #previous: PreviousBoot[] = []
  readonly #findings: Findings

  constructor(findings: Findings) {
    this.#findings = findings
  }

  get count(): number {
    return this.#runs.size
  }

  /** Adds a message whose signature counts. False when its number is taken already: the caller finds out by what. */
  add({ source, seq, prev, digest, times, stopped, where }: ChainLink): boolean {
    const runs = this.#runs.get(source) ?? []
    if (runs.some(({ from, to }) => from <= seq && seq <= to)) return false
    if ((seq === 0) !== (prev === undefined))
      this.#findings.add(
        'source_forked',
        where,
        `Message ${seq} of ${source} does not say rightly what comes before it.`,
      )
    const before = runs.find(({ to }) => to === seq - 1)
    const after = runs.find(({ from }) => from === seq + 1)
    if (before !== undefined) this.#link(before.digest, prev, where)
    if (after !== undefined) this.#link(digest, after.prev, { source, seq: seq + 1 })
    this.#follows(before?.ended, times, where)
    this.#follows(times, after?.began, { source, seq: seq + 1 })
    const joined: Run = {
      from: before?.from ?? seq,
      to: after?.to ?? seq,
      prev: before === undefined ? prev : before.prev,
      digest: after?.digest ?? digest,
      began: before === undefined ? times : before.began,
      ended: after === undefined ? times : after.ended,
      stopped: after?.stopped ?? stopped,
    }
    const others = runs.filter((run) => run !== before && run !== after)
    this.#runs.set(
      source,
      [...others, joined].sort((a, b) => a.from - b.from),
    )
    return true
  }

  #link(digest: string, named: string | undefined, where: Where): void {
    if (named !== undefined && named !== digest)
      this.#findings.add(
        'source_forked',
        where,
        `Message ${where.seq} of ${where.source} follows another message than the one that is here.`,
      )
  }

  #follows(before: MessageTimes | undefined, after: MessageTimes | undefined, where: Where): void {
    const why = before === undefined || after === undefined ? undefined : regressed(before, after)
    if (why !== undefined)
      this.#findings.add(
        'clock_regressed',
        where,
        `The time of ${where.source} goes back at message ${where.seq}: ${why}.`,
      )
  }

  /** A boot named the end of the one before it: that much must be in the log. */
  namedPrevious(previous: PreviousBoot): void {
    this.#previous.push(previous)
  }

  /** Where a chain was when an earlier log, which is not here, ended. */
  begins(source: string, seq: number, digest: string): void {
    const runs = this.#runs.get(source)
    const first = runs?.[0]
    if (runs === undefined || first === undefined || first.from <= seq) return
    if (first.from === seq + 1) {
      this.#link(digest, first.prev, { source, seq: seq + 1 })
      first.from = 0
    } else
      runs.unshift({ from: 0, to: seq, prev: undefined, digest, began: undefined, ended: undefined, stopped: false })
  }

  /** Says what is missing and who fell silent, after everything was added. */
  conclude(end: ChainsEnd): void {
    this.#concludeGaps(end.wholeHistory)
    this.#concludeSilence(end)
  }

  #concludeGaps(wholeHistory: boolean): void {
    for (const [source, runs] of this.#runs) {
      let next = 0
      for (const { from, to } of runs) {
        if (from > next) this.#gap(source, next, from - 1)
        next = to + 1
      }
    }
    for (const { source, seq, digest, by } of this.#previous) {
      const last = this.#runs.get(source)?.at(-1)
      if (last === undefined && !wholeHistory) continue
      if (last === undefined || last.to < seq) this.#gap(source, last === undefined ? 0 : last.to + 1, seq)
      else if (last.to === seq && last.digest !== digest)
        this.#findings.add('source_forked', by, `The boot that followed ${source} knew another last message of it.`)
    }
  }

  /** A boot that another of the same instance names as the one before it has ended, if not by its own word. */
  #concludeSilence({ activeMinutesAfter, isWithdrawn }: ChainsEnd): void {
    const followed = new Set(this.#previous.map(({ source }) => source))
    for (const [source, runs] of this.#runs) {
      const { to, ended, stopped } = runs.at(-1) as Run
      if (stopped || ended === undefined || followed.has(source) || isWithdrawn(source)) continue
      const minutes = activeMinutesAfter(ended.iat)
      if (minutes <= silentAfterMinutes(source)) continue
      const message = `${source} has not stopped and is silent since its message ${to}, while others went on for ${minutes} minutes.`
      this.#findings.add('source_silent', { source, seq: to }, message)
    }
  }

  #gap(source: string, from: number, to: number): void {
    const which = from === to ? `Message ${from}` : `Messages ${from} to ${to}`
    this.#findings.add(
      'source_gap',
      { source, seq: from },
      `${which} of ${source} ${from === to ? 'is' : 'are'} missing.`,
    )
  }
}
