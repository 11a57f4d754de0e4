import { checkEnvelope, checkSubject, type Verified, verifyParty } from '@writ/authority'
import {
  cancelMessage,
  DOCUMENT_BYTES_MAX,
  Fault,
  type Intent,
  intentMessage,
  isFault,
  type Reason,
} from '@writ/contracts'
import { openOneOf, type Unverified } from '@writ/keys'
import { caughtUp, currentTrace, noteSpan } from '@writ/service-kit'
import type { Evidence } from '../adapters/evidence.ts'
import type { IntentRecords } from '../adapters/intent-records.ts'
import type { OutcomeCopies } from '../adapters/outcome-copies.ts'
import type { Statuses } from '../adapters/statuses.ts'
import { type IntentRecord, isDone, type LiveRecord, stateKey } from '../core/intent-record.ts'
import { judgeIntent } from '../core/judge-intent.ts'
import { checkLimits } from '../core/limits.ts'
import { stepsOf } from '../core/routes.ts'
import { digestIfSignedBy } from '../core/signed-by.ts'
import { rejectedId } from '../core/status.ts'
import { accepted, withoutUser } from '../core/transitions.ts'
import { Turns } from '../core/turns.ts'
import type { AuthorityView, Clock, Meter, Refusals } from '../ports.ts'
import { soon } from './soon.ts'
import type { TakeCancel } from './take-cancel.ts'

export interface TakeIntentDeps {
  readonly view: AuthorityView
  readonly records: IntentRecords
  readonly statuses: Statuses
  readonly outcomes: OutcomeCopies
  readonly evidence: Evidence
  readonly refusals: Refusals
  readonly meter: Meter
  readonly clock: Clock
  readonly takeCancel: TakeCancel
  /** Whether the bucket `intents` has room for new intents. */
  readonly hasRoom: () => boolean
  /** Where a device belongs that is not registered here, by the operator's directory. */
  readonly regionOf: (deviceId: string) => string | undefined
  readonly kick: (key: string) => void
  /** Hears of evidence that did not reach the log in time. */
  readonly reportLate: (error: unknown) => void
}

/** A no that is decided, though its code says that it may be otherwise later. */
export class Refused extends Fault {}

/**
 * Takes one message of `intent.<agent_id>`: an intent or a cancel, checked in the order of CONTRACT section 6. When it resolves, the
 * message has had its whole effect here, and may be acknowledged; the same bytes again have none but to say the status anew. Throws
 * Fault `unavailable` when nothing is decided: the message must come again.
 */
export function takeIntent(deps: TakeIntentDeps): (agentId: string, body: Uint8Array) => Promise<void> {
  const turns = new Turns()
  return async (agentId, body) => {
    deps.view.assertCurrent()
    try {
      const opened = openOneOf<typeof intentMessage | typeof cancelMessage>([intentMessage, cancelMessage], body)
      const signed = await verifySigner(deps, agentId, opened)
      if (isIntent(signed)) await take(deps, turns, agentId, signed)
      else await deps.takeCancel(agentId, signed as Verified<typeof cancelMessage>)
    } catch (error) {
      if (!isDecided(error)) throw error
      await refuse(deps, agentId, body, error.reason)
    }
  }
}

function isDecided(error: unknown): error is Fault {
  return error instanceof Refused || (isFault(error) && error.code !== 'unavailable' && error.code !== 'internal')
}

function isIntent(signed: Unverified): signed is Verified<typeof intentMessage> {
  return signed.message.typ === intentMessage.typ
}

function verifySigner<M extends typeof intentMessage | typeof cancelMessage>(
  { view }: TakeIntentDeps,
  agentId: string,
  opened: Unverified<M>,
): Promise<Verified<M>> {
  checkSubject(opened, agentId)
  return caughtUp(view.catchUp, () => verifyParty(view.authority, 'agent', opened))
}

async function take(
  deps: TakeIntentDeps,
  turns: Turns,
  agentId: string,
  signed: Verified<typeof intentMessage>,
): Promise<void> {
  const { claims, jws } = signed
  const key = stateKey(agentId, claims.jti)
  const seen = deps.records.index.get(key) !== undefined || deps.records.index.keyOf(jws.digest) !== undefined
  const known = seen ? await deps.records.read(key) : undefined
  if (known?.digest === jws.digest) return resume(deps, key, known)
  try {
    await takeNew(deps, turns, agentId, signed, known !== undefined)
  } catch (error) {
    // The index forgets what was settled long ago, and may lag behind another replica.
    const before = seen || !isDecided(error) ? undefined : await deps.records.read(key)
    if (before?.digest !== jws.digest) throw error
    await resume(deps, key, before)
  }
}

/** `taken`: its `jti` is known to be another message's. */
async function takeNew(
  deps: TakeIntentDeps,
  turns: Turns,
  agentId: string,
  signed: Verified<typeof intentMessage>,
  taken: boolean,
): Promise<void> {
  const { claims, jws } = signed
  const key = stateKey(agentId, claims.jti)
  checkEnvelope(deps.view.authority, signed as Verified, deps.clock.nowSeconds())
  if (claims.delivery === 'agent')
    throw new Refused('unavailable', { message: 'Delivery by the agent is not supported yet.' })
  if (!deps.hasRoom()) throw new Refused('unavailable', { message: 'There is no room for more intents now.' })
  // An agent's intents are counted one after the other, so that none slips past its limits.
  const made = await turns.take(agentId, async () => {
    const agent = deps.view.authority.trust.record('agent', agentId)
    if (agent === undefined) throw new Fault('unknown_agent', { message: 'No such agent is registered.' })
    checkLimits(deps.records.index, agentId, agent.record, deps.clock.nowSeconds())
    const foreign = isForeign(deps, claims)
    if (taken || (await deps.records.claimIntent(key, jws.compact, foreign ? 'digest' : 'text')) === 'another')
      throw new Fault('replayed', { message: 'Another message was published under this jti.' })
    return create(deps, key, signed, foreign)
  })
  // A refusal is said when it is settled.
  if (made?.state === 'accepted') await deps.statuses.say(made)
}

/** Whether a target belongs to another control plane: whatever else is wrong with the intent, neither its text nor its user is kept here. */
function isForeign({ view, regionOf }: TakeIntentDeps, { targets }: Intent): boolean {
  const { trust, region } = view.authority
  return targets.some((id) => trust.record('device', id) === undefined && (regionOf(id) ?? region) !== region)
}

/** The identity is this message's. From here on it has status under its own id, a refusal too. */
async function create(
  deps: TakeIntentDeps,
  key: string,
  signed: Verified<typeof intentMessage>,
  foreign: boolean,
): Promise<LiveRecord | undefined> {
  const { claims, jws } = signed
  const judged = await judge(deps, signed, foreign)
  const steps = 'steps' in judged ? judged.steps : []
  const reason = 'reason' in judged ? judged.reason : undefined
  const trace = currentTrace()
  const first = accepted(claims, { digest: jws.digest, kid: jws.kid }, steps, deps.clock.nowSeconds(), reason)
  const record = {
    ...(foreign ? withoutUser(first) : first),
    ...(trace !== undefined && { trace }),
  }
  noteSpan({ 'writ.intent_digest': jws.digest, ...(reason !== undefined && { 'writ.code': reason.code }) })
  if (await deps.records.create(record)) {
    deps.meter.accepted(key)
    deps.kick(key)
    return record
  }
  const other = await deps.records.read(key)
  if (other !== undefined) await resume(deps, key, other)
  return undefined
}

type Judged = { readonly steps: ReturnType<typeof stepsOf> } | { readonly reason: Reason }

async function judge(
  { view, regionOf }: TakeIntentDeps,
  { claims, jws }: Verified<typeof intentMessage>,
  foreign: boolean,
): Promise<Judged> {
  try {
    const devices = await caughtUp(view.catchUp, () => {
      const agent = view.authority.trust.record('agent', claims.iss)
      if (agent === undefined) throw new Fault('unknown_agent', { message: 'No such agent is registered.' })
      return judgeIntent(view.authority, agent, claims, jws, regionOf)
    })
    // A device that was filed this moment: of the intent nothing is kept that could be decided.
    if (foreign) throw new Fault('wrong_jurisdiction', { message: 'A target was another jurisdiction’s when it came.' })
    return { steps: stepsOf(claims, devices) }
  } catch (error) {
    if (!isDecided(error)) throw error
    return { reason: error.reason }
  }
}

/** The same message again, or after a crash: what is known is said anew, and what is not done goes on. */
async function resume(deps: TakeIntentDeps, key: string, record: IntentRecord): Promise<void> {
  await deps.outcomes.sayAgain(record)
  await deps.statuses.sayAnew(record)
  if (!isDone(record)) deps.kick(key)
}

async function refuse(deps: TakeIntentDeps, agentId: string, body: Uint8Array, reason: Reason): Promise<void> {
  const keys = deps.view.authority.trust.record('agent', agentId)?.record.keys ?? []
  const digest = digestIfSignedBy(keys, body, DOCUMENT_BYTES_MAX)
  deps.meter.refused(reason.code)
  noteSpan({ 'writ.code': reason.code })
  if (digest === undefined) {
    deps.refusals.count(agentId, reason.code)
    return
  }
  await deps.statuses.refuse(agentId, digest, reason)
  await soon(deps.evidence.refused(agentId, digest, rejectedId(digest), reason), deps.reportLate)
}
