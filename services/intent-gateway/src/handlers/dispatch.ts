import { type Bus, isRefusal } from '@writ/bus'
import { Fault, issueRpc, subjects } from '@writ/contracts'
import { currentTrace, traced } from '@writ/service-kit'
import type { DecisionFiles, NumberedFile } from '../adapters/decision-files.ts'
import type { Evidence } from '../adapters/evidence.ts'
import type { IntentRecords } from '../adapters/intent-records.ts'
import type { Statuses } from '../adapters/statuses.ts'
import { isFinal, type LiveRecord, type NumberedDecision, type PlanRecord, stateKey } from '../core/intent-record.ts'
import { gatewaysOf } from '../core/routes.ts'
import { decided, planned, type RoutedStep, sentAgain, sentOut } from '../core/transitions.ts'
import type { Ask, AuthorityView, Clock, Meter, Sign } from '../ports.ts'
import { buildPlan, earlierOf, type Outgoing } from './build-plan.ts'

export interface DispatchDeps {
  readonly view: AuthorityView
  readonly records: IntentRecords
  readonly files: DecisionFiles
  readonly statuses: Statuses
  readonly evidence: Evidence
  readonly ask: Ask
  readonly sign: Sign
  readonly clock: Clock
  readonly meter: Meter
  readonly bus: Pick<Bus, 'store'>
  readonly beside: (work: Promise<void>) => void
  /** Plans that were made and whose steps have not all ended, by their digest. */
  readonly made: Map<string, Outgoing>
}

/** An intent that may go out: the steps as they are routed now, and which decision was the first. */
export interface Allowed {
  readonly key: string
  readonly record: LiveRecord
  readonly intent: string
  readonly steps: readonly RoutedStep[]
  readonly first: NumberedDecision
  readonly count: number
}

/** `again`: token-issuer could not follow the decision, and might follow another. */
export type SendOut = (allowed: Allowed, decision: NumberedFile) => Promise<'out' | 'again'>

/**
 * allow → tokens → plans recorded → documents and `plan.dispatched` durable (G4) → plans published. After the plans
 * are recorded they may be out, so from there on nothing is decided anew: a repetition gets the same tokens and sends plans of the
 * same ids, which a gateway knows again.
 */
export function sendOut(deps: DispatchDeps): SendOut {
  return async (allowed, stored) => {
    const tokens: string[] = []
    for (const gatewayId of gatewaysOf(allowed.steps)) {
      const token = await tokenFor(deps, allowed, stored, gatewayId)
      if (token === 'again') return 'again'
      tokens.push(token)
    }
    deps.meter.passed(allowed.key, 'issue')
    const plans = await Promise.all(tokens.map((token) => buildPlan(deps, allowed, stored, token)))
    const maxUses = Math.max(...plans.map(({ maxUses: uses }) => uses))
    const change = await deps.records.modify(allowed.key, (latest) =>
      latest.plans.length > 0 || latest.closing !== undefined || !['accepted', 'approved'].includes(latest.state)
        ? latest
        : planned(decided(latest, stored.n, allowed.first), plans.map(recordOf), allowed.steps, maxUses),
    )
    if (change === undefined || change.after === change.before) return 'out'
    deps.beside(deps.statuses.say(change.after))
    await publish(deps, change.after, allowed.intent, plans)
    return 'out'
  }
}

/** Plans that are recorded and may not be out are sent again: the same bytes, or after a restart others of the same ids and tokens. */
export function dispatchAgain(deps: DispatchDeps): (record: LiveRecord, gateways: readonly string[]) => Promise<void> {
  return async (record, gateways) => {
    const made = record.plans
      .filter(({ out }) => out !== true)
      .flatMap(({ plan_digest }) => deps.made.get(plan_digest) ?? [])
    if (made.length === gateways.length) {
      const key = stateKey(record.agent_id, record.intent_id)
      await publish(deps, record, await deps.records.intent(key), made)
      return
    }
    const again = await makeAgain(deps, record, gateways, canBeDispatched)
    const key = stateKey(record.agent_id, record.intent_id)
    if (again.length > 0) await publish(deps, record, await deps.records.intent(key), again)
  }
}

/**
 * The first repetition is kept only where the gateway has nothing else to take, for one that is away has its plan. Later ones are
 * kept anyhow: a consumer that remembers more than its stream does passes over what is stored next, which then lies there for good.
 */
const POLITE_TIMES = 2

/**
 * Sends plans once more that are out and of which nothing is heard: the stream of plans, or that of outcomes, may have lost what it
 * acknowledged. The gateway knows a plan by its id. After its `exp` only bytes that are still here are sent: they ask how it ended.
 */
export function repeat(deps: DispatchDeps): (record: LiveRecord, gateways: readonly string[]) => Promise<void> {
  return async (record, gateways) => {
    const key = stateKey(record.agent_id, record.intent_id)
    const now = deps.clock.nowSeconds()
    const silent = record.plans.filter(({ gateway_id }) => gateways.includes(gateway_id))
    const here = silent.flatMap(({ plan_digest }) => deps.made.get(plan_digest) ?? [])
    const gone = silent.filter(({ plan_digest, exp }) => !deps.made.has(plan_digest) && now < exp)
    const made = gone.length === 0 ? [] : await makeAgain(deps, record, namesOf(gone), canBeRepeated)
    keep(deps.made, made)
    const plans = [...here, ...made]
    if (plans.length > 0) await deps.evidence.dispatched(record, await deps.records.intent(key), plans)
    const times = Math.max(...silent.map(({ sent }) => sent?.times ?? 1))
    for (const plan of plans) await sendAgain(deps, plan, times < POLITE_TIMES)
    const ids = silent.map(({ plan_id }) => plan_id)
    await deps.records.modify(key, (latest) => sentAgain(latest, ids, now))
  }
}

async function sendAgain({ bus, view }: DispatchDeps, { plan, compact }: Outgoing, polite: boolean): Promise<void> {
  const subject = subjects(view.authority.region).plan(plan.gateway_id)
  const only = polite ? { expectLast: { seq: 0 } } : {}
  try {
    await bus.store(subject, compact, { stream: 'PLANS', trace: currentTrace(), ...only })
  } catch (error) {
    if (!isRefusal(error, 'wrong-last-sequence') && !isRefusal(error, 'full')) throw error
  }
}

const namesOf = (plans: readonly PlanRecord[]): string[] => plans.map(({ gateway_id }) => gateway_id)
const canBeRepeated = (latest: LiveRecord): boolean => latest.closing === undefined && !isFinal(latest.state)
const canBeDispatched = (latest: LiveRecord): boolean =>
  latest.closing === undefined && latest.plans.some(({ out }) => out !== true)

/** Plans of the same ids and tokens, which are recorded in place of those that are not here any more. None where that is too late. */
async function makeAgain(
  deps: DispatchDeps,
  record: LiveRecord,
  gateways: readonly string[],
  still: (latest: LiveRecord) => boolean,
): Promise<readonly Outgoing[]> {
  const key = stateKey(record.agent_id, record.intent_id)
  const intent = await deps.records.intent(key)
  const { first, count } = record.decisions
  const last = await deps.files.read(key, count)
  if (first === undefined || last === undefined)
    throw new Fault('internal', { message: 'The decision of a recorded plan is not there.' })
  const allowed: Allowed = { key, record, intent, steps: record.steps, first, count }
  const tokens = await Promise.all(gateways.map((gateway) => tokenFor(deps, allowed, last, gateway)))
  if (tokens.includes('again'))
    throw new Fault('unavailable', { message: 'The token of a recorded plan is not to be had.' })
  const plans = await Promise.all(tokens.map((token) => buildPlan(deps, allowed, last, token)))
  const change = await deps.records.modify(key, (latest) =>
    still(latest) ? planned(latest, plans.map(recordOf), latest.steps, latest.max_uses) : latest,
  )
  return change !== undefined && change.after !== change.before ? plans : []
}

function publish(deps: DispatchDeps, record: LiveRecord, intent: string, plans: readonly Outgoing[]): Promise<void> {
  return traced('publish plans', { kind: 'producer', attributes: { 'writ.intent_digest': record.digest } }, () =>
    publishNow(deps, record, intent, plans),
  )
}

/** Durable first (G4), then out. */
async function publishNow(
  deps: DispatchDeps,
  record: LiveRecord,
  intent: string,
  plans: readonly Outgoing[],
): Promise<void> {
  keep(deps.made, plans)
  await deps.evidence.dispatched(record, intent, plans)
  const key = stateKey(record.agent_id, record.intent_id)
  const latest = deps.records.index.get(key)?.record
  // It may have been cancelled while it waited for the log.
  if (latest === undefined || isFinal(latest.state) || latest.closing !== undefined) return
  const at = subjects(deps.view.authority.region)
  await Promise.all(
    plans.map(({ plan, compact }) =>
      deps.bus.store(at.plan(plan.gateway_id), compact, { stream: 'PLANS', trace: currentTrace() }),
    ),
  )
  deps.meter.passed(key, 'dispatch')
  const ids = plans.map(({ plan }) => plan.plan_id)
  // Written with the gateway's first word, or when it stays silent. A process that ends before leaves plans that may be out.
  deps.records.note(key, (known) => sentOut(known, ids, deps.clock.nowSeconds()))
}

/** The one token of an intent and gateway: minted now, or the one that was. Throws token-issuer's no. */
async function tokenFor(
  deps: DispatchDeps,
  { key, intent, count }: Allowed,
  file: NumberedFile,
  gateway_id: string,
): Promise<string> {
  const earlier = await earlierOf(deps, key, file, count)
  const { decision, approvals, attestations, reports } = file
  const reply = await deps.ask(issueRpc, {
    gateway_id,
    intent,
    decision,
    earlier: earlier.map(({ decision: body }) => body),
    approvals: [...approvals],
    attestations: [...attestations],
    reports: [...reports],
  })
  if (reply.ok) return reply.token
  if (reply.again) return 'again'
  throw new Fault(reply.code, { message: reply.message })
}

const MADE_MAX = 1000

function keep(made: Map<string, Outgoing>, plans: readonly Outgoing[]): void {
  for (const plan of plans) made.set(plan.planDigest, plan)
  for (const oldest of made.keys()) {
    if (made.size <= MADE_MAX) return
    made.delete(oldest)
  }
}

function recordOf({ plan, planDigest, token }: Outgoing): PlanRecord {
  return {
    plan_id: plan.plan_id,
    plan_digest: planDigest,
    gateway_id: plan.gateway_id,
    token_id: token.jti,
    exp: plan.exp,
  }
}
