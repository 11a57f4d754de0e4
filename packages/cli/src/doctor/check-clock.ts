import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { ask, type Session } from '@writ/agent-sdk'
import { ANY, answerMessage, isFault, queryMessage, resultMessage } from '@writ/contracts'
import { signMessage } from '@writ/keys'
import { type Finding, fail, ok, warn } from './finding.ts'

/** How far this machine's clock is ahead of the plane's, milliseconds, and how sure that is. */
export interface Offset {
  readonly aheadMs: number
  readonly errorMs: number
}

/** A message may be 5 s ahead of its reader's clock (CONTRACT section 1). */
const FAIL_MS = 4000
const WARN_MS = 1000
const MEND = 'Let NTP keep the clock: timedatectl set-ntp true, or your system’s way.'

export function gradeClock({ aheadMs, errorMs }: Offset): Finding {
  const found = `${Math.abs(aheadMs / 1000).toFixed(1)} s ${aheadMs < 0 ? 'behind' : 'ahead of'} the plane, ± ${(errorMs / 1000).toFixed(1)} s`
  const least = Math.abs(aheadMs) - errorMs
  if (least >= FAIL_MS) return fail('clock', `This machine is ${found}: what it signs is refused.`, MEND)
  if (least >= WARN_MS) return warn('clock', `This machine is ${found}.`, MEND)
  return ok('clock', found)
}

/** Operators and gateways read the bus’s own time from the ticks; others hear the broker’s. */
export async function checkClock(session: Session): Promise<Finding> {
  try {
    const offset =
      session.kind === 'operator' || session.kind === 'gateway' ? await byTicks(session) : await byBroker(session)
    if (offset !== undefined) return gradeClock(offset)
    return warn('clock', 'It could not be compared: token-issuer does not tick.', '`writ status` says whether it runs.')
  } catch (error) {
    if (!isFault(error)) throw error
    if (error.code === 'expired' || error.code === 'not_yet_valid')
      return fail('clock', 'The broker and this machine disagree about the time.', MEND)
    return warn('clock', `It could not be compared: ${error.message}`, '`writ status` says what does not answer.')
  }
}

const TICK_WITHIN_MS = 2500
const LOOK_EVERY_MS = 50

/** The server stamps each tick when it stores it: the first that is seen after another is as old as one look. */
async function byTicks({ bus, subjects }: Session): Promise<Offset | undefined> {
  const filter = subjects.tick(ANY)
  const first = await bus.lastBySubject('CONTROL', filter)
  const end = performance.now() + TICK_WITHIN_MS
  for (let lookedAt = Date.now(); performance.now() < end; ) {
    await delay(LOOK_EVERY_MS)
    const began = Date.now()
    const tick = await bus.lastBySubject('CONTROL', filter)
    const now = Date.now()
    if (tick !== undefined && tick.seq !== first?.seq) {
      // It was stored between the start of the last look and the end of this one.
      const [earliest, latest] = [lookedAt - tick.timeMs, now - tick.timeMs]
      return { aheadMs: (earliest + latest) / 2, errorMs: (latest - earliest) / 2 }
    }
    lookedAt = began
  }
  return undefined
}

const QUERY_SECONDS = 30
const WHAT = { agent: 'intents', approver: 'pending' } as const

/** The broker's `iat` has seconds only. */
async function byBroker(session: Session): Promise<Offset | undefined> {
  const { kind, id, authority, subjects, signer } = session
  if (kind !== 'agent' && kind !== 'approver') return undefined
  const before = Date.now()
  const iat = Math.floor(before / 1000)
  const claims = {
    iss: id,
    aud: authority.audience,
    iat,
    exp: iat + QUERY_SECONDS,
    jti: randomUUID(),
    what: WHAT[kind],
    args: { limit: 1 },
  }
  const answer = await ask(session, {
    subject: subjects.query(kind, id),
    body: await signMessage(signer, queryMessage, claims),
    from: 'intent-gateway',
    replies: [answerMessage, resultMessage],
  })
  const after = Date.now()
  const said = answer.claims.iat * 1000 + 500
  return { aheadMs: (before + after) / 2 - said, errorMs: 500 + (after - before) / 2 }
}
