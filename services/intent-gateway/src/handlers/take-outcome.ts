import { checkSubject, planIdOf, type Verified, verifyParty } from '@writ/authority'
import { endedRpc, Fault, isFault, type Outcome, outcomeMessage } from '@writ/contracts'
import { checkAudience, checkTimes, openMessage } from '@writ/keys'
import { caughtUp, noteSpan } from '@writ/service-kit'
import type { Evidence } from '../adapters/evidence.ts'
import type { OutcomeCopies } from '../adapters/outcome-copies.ts'
import type { Statuses } from '../adapters/statuses.ts'
import { type IntentRecord, isDone } from '../core/intent-record.ts'
import { isKeptInside } from '../core/state-size.ts'
import { type OutcomeEffect, takeOutcome as take } from '../core/take-outcome.ts'
import type { Ask, AuthorityView, Clock, Meter, Refusals } from '../ports.ts'
import { type KnownKeyDeps, knownKey } from './known-key.ts'
import { soon } from './soon.ts'

export interface TakeOutcomeDeps extends KnownKeyDeps {
  readonly view: AuthorityView
  readonly statuses: Statuses
  readonly outcomes: OutcomeCopies
  readonly evidence: Evidence
  readonly refusals: Refusals
  readonly meter: Meter
  readonly clock: Clock
  readonly ask: Ask
  readonly kick: (key: string) => void
  /** Hears of evidence that did not reach the log in time. */
  readonly reportLate: (error: unknown) => void
}

/**
 * Takes one message of `outcome.<gateway_id>`: state, with a copy in it or before it, then the gateway's own bytes and the status, then the evidence. When it resolves,
 * all of that is done and the message may be acknowledged; the same outcome again repeats what may be missing and changes nothing.
 * Throws Fault `unavailable` when it must come again.
 */
export function takeOutcome(deps: TakeOutcomeDeps): (gatewayId: string, body: Uint8Array) => Promise<void> {
  return async (gatewayId, body) => {
    try {
      const outcome = await verify(deps, gatewayId, body)
      await count(deps, gatewayId, outcome, body)
    } catch (error) {
      if (!isFault(error) || error.code === 'unavailable' || error.code === 'internal') throw error
      deps.refusals.count(gatewayId, error.code)
      deps.meter.refused(error.code)
    }
  }
}

/** Outcomes have no expiry, and those of what is revoked are still taken. */
async function verify(
  { view, clock }: TakeOutcomeDeps,
  gatewayId: string,
  body: Uint8Array,
): Promise<Verified<typeof outcomeMessage>> {
  const opened = openMessage(outcomeMessage, body)
  checkSubject(opened, gatewayId)
  const outcome = await caughtUp(view.catchUp, () => verifyParty(view.authority, 'gateway', opened))
  checkAudience(outcome.claims, view.authority.audience)
  checkTimes({ iat: outcome.claims.iat }, clock.nowSeconds())
  return outcome
}

async function count(
  deps: TakeOutcomeDeps,
  gatewayId: string,
  { claims, jws }: Verified<typeof outcomeMessage>,
  body: Uint8Array,
): Promise<void> {
  const { key, record } = await recordOf(deps, gatewayId, claims)
  noteSpan({ 'writ.intent_digest': record.digest, 'writ.step_id': claims.step_id, 'writ.state': claims.state })
  if (isDone(record)) return late(deps, record, claims, jws)
  const ends = claims.state !== 'started'
  const inside = ends && isKeptInside(jws.compact, record.steps.length)
  if (ends && !inside && take(record, claims, jws.digest, deps.clock.nowSeconds()).effect !== 'late')
    await deps.outcomes.keep(key, jws.digest, jws.compact)
  let effect: OutcomeEffect = 'late'
  const change = await deps.records.modify(key, (latest) => {
    const taken = take(latest, claims, jws.digest, deps.clock.nowSeconds(), inside ? jws.compact : undefined)
    effect = taken.effect
    return taken.record
  })
  const after = change?.after ?? (await deps.records.read(key)) ?? record
  if (isDone(after) || effect === 'late') return late(deps, after, claims, jws)
  await Promise.all([
    // Nobody hears a status before the outcome that it names.
    deps.statuses
      .outcome(after, claims.step_id, body, () => isLatest(deps, key, claims, jws.digest))
      .then(() => deps.statuses.say(after)),
    effect === 'try-ended' ? nextTry(deps, jws.compact) : undefined,
    soon(deps.evidence.outcome(after, claims, jws.compact), deps.reportLate),
  ])
  deps.meter.outcome(claims.state)
  if (claims.state === 'started' && record.steps.every(({ state }) => state === 'waiting'))
    deps.meter.passed(key, 'begin')
  deps.kick(key)
}

/** Of two outcomes that are taken at once the one that was counted first must not be shown last. */
function isLatest({ records }: TakeOutcomeDeps, key: string, { step_id, state }: Outcome, digest: string): boolean {
  const step = records.index.get(key)?.record.steps.find((candidate) => candidate.step_id === step_id)
  return step === undefined ? state !== 'started' : step.outcome_digest === digest
}

/** The record of which the outcome is about a step that went out. Throws Fault `chain_broken` or `wrong_gateway`: a no is said of what the bucket has now. */
async function recordOf(
  deps: TakeOutcomeDeps,
  gatewayId: string,
  outcome: Outcome,
): Promise<{ readonly key: string; readonly record: IntentRecord }> {
  const { records } = deps
  const key = await knownKey(deps, outcome.intent_digest)
  const known = key === undefined ? undefined : records.index.get(key)?.record
  if (key !== undefined && known !== undefined && misfit(known, gatewayId, outcome) === undefined)
    return { key, record: known }
  // The index may lag behind the replica that sent the plan out a moment ago, and an outcome that is refused does not come again.
  const record = key === undefined ? undefined : await records.read(key)
  if (key === undefined || record?.digest !== outcome.intent_digest)
    throw new Fault('chain_broken', { message: 'No plan of this intent is known.' })
  const fault = misfit(record, gatewayId, outcome)
  if (fault !== undefined) throw fault
  return { key, record }
}

/** The signer must be the plan's gateway, and the step one of its own. */
function misfit(record: IntentRecord, gatewayId: string, outcome: Outcome): Fault | undefined {
  const { plan_id, step_id, device_id, action } = outcome
  const step = record.steps.find((candidate) => candidate.step_id === step_id)
  const plan = record.plans.find((candidate) => candidate.gateway_id === gatewayId)
  if (step !== undefined && step.gateway_id !== gatewayId)
    return new Fault('wrong_gateway', { message: 'The step is another gateway’s.' })
  const fits =
    step?.device_id === device_id &&
    plan?.plan_id === plan_id &&
    plan_id === planIdOf(record.digest, gatewayId) &&
    (isDone(record) || record.action === action)
  if (fits) return undefined
  return new Fault('chain_broken', { message: 'The outcome is not about a step of a plan that went out.' })
}

/** Its intent is settled, or another outcome counts. One that is said again changes nothing; another is named in the log. */
async function late(
  { evidence, meter, reportLate }: TakeOutcomeDeps,
  record: IntentRecord,
  outcome: Outcome,
  { digest, compact }: Pick<Verified['jws'], 'digest' | 'compact'>,
): Promise<void> {
  const step = record.steps.find(({ step_id }) => step_id === outcome.step_id)
  if (step?.outcome_digest === digest) return
  if (outcome.state === 'started') {
    // That it ended was taken first. Nothing else counts, and it began all the same.
    const begun = isDone(record) ? evidence.lateOutcome(outcome, digest) : evidence.outcome(record, outcome, compact)
    await soon(begun, reportLate)
    return
  }
  await soon(evidence.lateOutcome(outcome, digest), reportLate)
  meter.outcome('late')
}

/** Lets the next use be claimed. token-issuer verifies the outcome itself; what it refuses leaves the step to the plan's end. */
async function nextTry({ ask }: TakeOutcomeDeps, outcome: string): Promise<void> {
  const reply = await ask(endedRpc, { outcome })
  if (!reply.ok && (reply.code === 'unavailable' || reply.code === 'internal'))
    throw new Fault('unavailable', { message: reply.message })
}
