import type { Session } from '@writ/agent-sdk'
import { checkSubject, verifyParty } from '@writ/authority'
import { ANY, appliedMessage, Fault } from '@writ/contracts'
import { openMessage } from '@writ/keys'
import { type ControlWord, publishControl } from './control.ts'

/** 3 s that a token-issuer may act on what it knew, and 2 s that a gateway may wait to begin (G7). */
const EFFECTIVE_AFTER_MS = 5000

export interface Spread {
  readonly seq: number
  /** When no gateway begins an affected step any more, whatever is cut off. */
  readonly effectiveBy: Date
  /** Gateways that said they applied it, and all that are registered. */
  readonly confirmed: readonly string[]
  readonly gateways: readonly string[]
  /** Steps that still run, as `<gateway> <plan>/<step>`. */
  readonly running: readonly string[]
}

/**
 * Publishes a revoke or lift and waits until every registered gateway has confirmed it, at most until it is effective everywhere.
 * `recorded` is called as soon as it cannot be lost any more.
 */
export async function spreadControl(
  session: Session,
  word: ControlWord,
  reason: string,
  recorded: (seq: number, effectiveBy: Date) => void = () => undefined,
): Promise<Spread> {
  const { bus, subjects, authority, reader } = session
  const applied = new Map<string, Applied>()
  let wake: () => void = () => undefined
  const listening = await bus.subscribe(subjects.applied(ANY), ({ subject, data }) => {
    const heard = readApplied(session, subject, data)
    if (heard !== undefined) applied.set(heard.gateway, heard)
    wake()
  })
  try {
    const { seq } = await publishControl(session, word, reason)
    const effectiveBy = new Date(Date.now() + EFFECTIVE_AFTER_MS)
    recorded(seq, effectiveBy)
    await reader.signers()
    const gateways = authority.trust.ids('gateway').filter((id) => authority.trust.record('gateway', id) !== undefined)
    const confirmed = () => gateways.filter((id) => (applied.get(id)?.seq ?? 0) >= seq)
    while (confirmed().length < gateways.length && Date.now() < effectiveBy.getTime()) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, effectiveBy.getTime() - Date.now())
        wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    const sure = confirmed()
    const running = sure.flatMap((id) => applied.get(id)?.running ?? [])
    return { seq, effectiveBy, confirmed: sure, gateways, running }
  } finally {
    listening.unsubscribe()
  }
}

/** What a gateway has applied. */
export interface Applied {
  readonly gateway: string
  /** Of CONTROL. */
  readonly seq: number
  /** Steps that the last control message affects and that have not stopped, as `<gateway> <plan>/<step>`. */
  readonly running: readonly string[]
}

/** A gateway's word on what it has applied; undefined when it is nobody's, or about another stream. Read SIGNERS first. */
export function readApplied({ subjects, authority }: Session, subject: string, data: Uint8Array): Applied | undefined {
  const [gateway] = subjects.idsOf('applied', subject) ?? []
  if (gateway === undefined) return undefined
  try {
    const opened = openMessage(appliedMessage, data)
    checkSubject(opened, gateway)
    const { rev, running } = verifyParty(authority, 'gateway', opened).claims
    if (rev.stream !== authority.control.stream) return undefined
    return { gateway, seq: rev.seq, running: running.map(({ plan_id, step_id }) => `${gateway} ${plan_id}/${step_id}`) }
  } catch (error) {
    // Anybody's bytes may arrive live; what does not verify is nobody's word.
    if (error instanceof Fault) return undefined
    throw error
  }
}
