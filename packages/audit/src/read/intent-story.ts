import {
  type Approval,
  approvalMessage,
  type Decision,
  decisionMessage,
  type Intent,
  intentMessage,
  type JsonObject,
  type Message,
  type Outcome,
  outcomeMessage,
  type ReasonCode,
} from '@writ/contracts'
import { type Believed, believe } from './believed.ts'
import { type ChainEvent, inChainOrder } from './chain-order.ts'
import type { ReadEntry, ReadEvent } from './read-entry.ts'

/** What the log shows of one step of an intent. */
export interface StepStory {
  readonly plan_id: string
  readonly step_id: string
  readonly device_id: string
  readonly gateway_id: string
  /** `redeemed`: the gateway may have begun, and nothing says that it did. */
  readonly state: 'redeemed' | 'started' | 'succeeded' | 'failed' | 'refused' | 'aborted' | 'unknown'
  readonly reasons: readonly ReasonCode[]
  /** As the gateway signed it; absent where that is sealed. */
  readonly outcome?: Outcome
}

export interface DecisionStory {
  readonly outcome: Decision['outcome']
  readonly policy: Decision['policy']
  readonly digest: string
  readonly reasons: Decision['reasons']
  readonly obligations: Decision['obligations']
  /** As policy-evaluator signed it. */
  readonly decision: Decision
}

export interface ApprovalStory {
  /** Pseudonym. */
  readonly user: string
  readonly verdict: string
  /** As the approver signed it; absent where that is sealed. */
  readonly approval?: Approval
}

/**
 * What the log shows of an intent, from request to outcome. Everything in it but `events` comes from verified entries alone, and each thing from
 * those whose word it is: a gateway speaks of the steps of its own plan.
 */
export interface IntentStory {
  readonly digest: string
  readonly intent_id?: string
  readonly agent_id?: string
  /** On whose behalf: a pseudonym. */
  readonly user?: string
  /** By the intent itself, else by what services say of it. */
  readonly action?: string
  /** As the agent signed it; absent where that is sealed. */
  readonly intent?: Intent
  readonly decisions: readonly DecisionStory[]
  readonly approvals: readonly ApprovalStory[]
  readonly steps: readonly StepStory[]
  /** How many devices it was about: by the intent itself, else by the records that its decision names; absent where neither can be read. */
  readonly targets?: number
  /**
   * How it ended, as far as the log shows: by what intent-gateway said of it, else by its steps. `open`: nothing says that it ended. `unknown`: a
   * step ended so; or, of the steps that are here, nothing says whether they are all.
   */
  readonly state:
    | 'open'
    | 'succeeded'
    | 'partial'
    | 'failed'
    | 'denied'
    | 'expired'
    | 'cancelled'
    | 'revoked'
    | 'unknown'
  /** Why, where it was refused. */
  readonly reasons: readonly ReasonCode[]
  /** All of it in the order of its chain, also what is not verified. */
  readonly events: readonly ChainEvent[]
  /** Entries that name it and are no audit messages: what they say is not told. */
  readonly unreadable: readonly ReadEntry[]
  /** When it was first heard of, by the service with the earliest event that is verified; absent where none is. */
  readonly at?: string
  /** Every entry about it is verified, and says nothing that is not its source's to say. */
  readonly verified: boolean
}

type End = Exclude<StepStory['state'], 'redeemed'>
/** Of a step that began, no try that was refused tells the end. */
const ENDS: readonly End[] = ['succeeded', 'failed', 'aborted', 'unknown', 'started', 'refused']
/** Ends that intent-gateway counts once and for all. */
const COUNTED: readonly End[] = ['succeeded', 'failed', 'aborted']
const REFUSALS = ['denied', 'expired', 'cancelled', 'revoked', 'failed'] as const

/** What the rest of the logs says that the story of an intent rests on. Verified, too. */
export interface AroundIntents {
  /** What kind of record a command files, by its digest; undefined where the logs do not hold it. */
  readonly kindOf: (commandDigest: string) => string | undefined
  /** NumericDate up to which services have spoken in the logs. */
  readonly untilSeconds: number
}

const NOTHING_AROUND: AroundIntents = { kindOf: () => undefined, untilSeconds: 0 }
/** What was durable when it happened has entered the log when services sign this much later. */
const SETTLED_AFTER_SECONDS = 60

/** Tells an intent from its entries. */
export function intentStory(
  digest: string,
  entries: readonly ReadEntry[],
  around: AroundIntents = NOTHING_AROUND,
): IntentStory {
  const { events, believed } = believe(
    digest,
    inChainOrder(
      entries.flatMap((entry) =>
        entry.events.filter(({ event }) => event.intent_digest === digest).map((read) => ({ entry, read })),
      ),
    ),
    around.untilSeconds,
  )
  const reads = believed.map(({ read }) => read)
  const intent = openOf(reads, intentMessage, digest)[0] as Intent | undefined
  const steps = stepsOf(believed)
  const targets = intent?.targets.length ?? targetsByRecords(reads, around)
  const refusal = refusalOf(reads, steps)
  return {
    digest,
    ...given('intent_id', said(believed, 'intent_id')),
    ...given('agent_id', said(believed, 'agent_id')),
    ...given('user', said(believed, 'user')),
    ...given('action', intent?.action ?? said(believed, 'intent')),
    ...given('intent', intent),
    decisions: decisionsOf(reads),
    approvals: approvalsOf(reads),
    steps,
    ...given('targets', targets),
    state: stateOf(reads, refusal, steps, targets, around.untilSeconds),
    reasons: refusal?.reasons ?? [],
    events,
    ...given(
      'at',
      servicesOf(believed)
        .map(({ event }) => event.timestamp)
        .sort()[0],
    ),
    unreadable: entries.filter((entry) => entry.events.length === 0),
    verified: [...entries, ...events.map(({ entry }) => entry)].every((entry) => entry.doubts.length === 0),
  }
}

/** What intent-gateway says of it, else another service, else a gateway to which it was sent. */
function said(believed: readonly Believed[], name: 'intent_id' | 'agent_id' | 'user' | 'intent'): string | undefined {
  const own = believed.filter(({ role }) => role === 'intent-gateway').map(({ read }) => read)
  const all = [...own, ...servicesOf(believed), ...believed.map(({ read }) => read)]
  return all.find(({ event }) => event[name] !== undefined)?.event[name]
}

function servicesOf(believed: readonly Believed[]): readonly ReadEvent[] {
  return believed.filter(({ role }) => role !== 'gateway').map(({ read }) => read)
}

/** Claims of the open documents of a type, or of the one that is named, each once, in the order of the events. */
function openOf(events: readonly ReadEvent[], { typ }: Pick<Message, 'typ'>, only?: string): readonly JsonObject[] {
  const found = new Map<string, JsonObject>()
  for (const { documents } of events)
    for (const { digest, claims, ...document } of documents)
      if (document.typ === typ && claims !== undefined && (only ?? digest) === digest) found.set(digest, claims)
  return [...found.values()]
}

function decisionsOf(events: readonly ReadEvent[]): readonly DecisionStory[] {
  const found = new Map<string, DecisionStory>()
  for (const { event, documents } of events)
    for (const { typ, digest, claims } of documents) {
      if (event.type !== 'policy.decided' || typ !== decisionMessage.typ || claims === undefined) continue
      const decision = claims as Decision
      const { outcome, policy, reasons, obligations } = decision
      if (!found.has(digest)) found.set(digest, { outcome, policy, digest, reasons, obligations, decision })
    }
  return [...found.values()]
}

function approvalsOf(events: readonly ReadEvent[]): readonly ApprovalStory[] {
  const found = new Map<string, ApprovalStory>()
  for (const { event, documents } of events) {
    if (event.type !== 'approval.given') continue
    const document = documents.find(({ typ }) => typ === approvalMessage.typ)
    const user = event.approved_by?.[0] ?? ''
    const verdict = String(event.detail?.['verdict'])
    found.set(document?.digest ?? event.event_id, {
      user,
      verdict,
      ...given('approval', document?.claims as Approval | undefined),
    })
  }
  return [...found.values()]
}

/** The steps of which a service tells: a gateway alone could make up more of them. */
function stepsOf(events: readonly Believed[]): readonly StepStory[] {
  const names = new Map<string, Believed[]>()
  for (const one of events) {
    const { plan_id, detail, type } = one.read.event
    const step = detail?.['step_id']
    if (plan_id === undefined || typeof step !== 'string') continue
    if (type !== 'token.redeemed' && !type.startsWith('action.')) continue
    const name = `${plan_id}/${step}`
    names.set(name, [...(names.get(name) ?? []), one])
  }
  return [...names.values()].filter((told) => told.some(({ role }) => role !== 'gateway')).map(stepOf)
}

function stepOf(told: readonly Believed[]): StepStory {
  const all = [...servicesOf(told), ...told.map(({ read }) => read)]
  const state = endOf(told)
  const own = told.map(({ read }) => read).filter(({ event }) => event.type === `action.${state}`)
  const outcome = openOf(own, outcomeMessage)[0] as Outcome | undefined
  const { plan_id = '', detail, gateway_id = '' } = all[0]?.event ?? {}
  return {
    plan_id,
    step_id: String(detail?.['step_id']),
    device_id: all.find(({ event }) => event.device_id !== undefined)?.event.device_id ?? '',
    gateway_id,
    state,
    reasons: [...new Set(own.flatMap(({ event }) => event.reasons ?? []))],
    ...given('outcome', outcome),
  }
}

/** The first final outcome counts, which intent-gateway tells; what came after it is marked as late. */
function endOf(told: readonly Believed[]): StepStory['state'] {
  const counted = told.filter(({ read }) => read.event.detail?.['late'] !== true)
  const byBroker = counted.filter(({ role }) => role === 'intent-gateway')
  const first = (ends: readonly End[], among: readonly Believed[]): End | undefined =>
    ends.find((end) => among.some(({ read }) => read.event.type === `action.${end}`))
  return first(COUNTED, byBroker) ?? first(ENDS, counted) ?? first(ENDS, told) ?? 'redeemed'
}

/** What is refused as a whole has no step that ran. */
function refusalOf(events: readonly ReadEvent[], steps: readonly StepStory[]): ReadEvent['event'] | undefined {
  const ran = steps.some(({ state }) => ['succeeded', 'failed', 'unknown', 'started'].includes(state))
  return ran ? undefined : events.find(({ event }) => event.type === 'intent.refused')?.event
}

function stateOf(
  events: readonly ReadEvent[],
  refusal: ReadEvent['event'] | undefined,
  steps: readonly StepStory[],
  targets: number | undefined,
  untilSeconds: number,
): IntentStory['state'] {
  if (refusal !== undefined) return REFUSALS.find((state) => state === refusal.detail?.['state']) ?? 'denied'
  const states = steps.map(({ state }) => state)
  if (states.length === 0 || states.some((state) => state === 'started' || state === 'redeemed')) return 'open'
  if (states.includes('unknown') || targets === undefined) return 'unknown'
  // A step that was not redeemed in the plan's time never begins: every redeem is in the log before it is answered.
  if (states.length < targets && !isOver(events, untilSeconds)) return 'open'
  if (states.length >= targets && states.every((state) => state === 'succeeded')) return 'succeeded'
  return states.includes('succeeded') ? 'partial' : 'failed'
}

/** Whether the logs go on beyond the time of every plan. */
function isOver(events: readonly ReadEvent[], untilSeconds: number): boolean {
  const plans = events.filter(({ event }) => event.type === 'plan.dispatched')
  return plans.every(({ event }) => {
    const exp = event.detail?.['exp']
    return typeof exp === 'number' && exp + SETTLED_AFTER_SECONDS <= untilSeconds
  })
}

/** A decision names the record of each target. Undefined unless every record that the allowing one names is known. */
function targetsByRecords(events: readonly ReadEvent[], { kindOf }: AroundIntents): number | undefined {
  const decision = openOf(
    events.filter(({ event }) => event.type === 'policy.decided'),
    decisionMessage,
  ).findLast(({ outcome }) => outcome === 'allow') as Decision | undefined
  const kinds = decision?.records.map(kindOf)
  if (kinds === undefined || kinds.includes(undefined)) return undefined
  const devices = kinds.filter((kind) => kind === 'device').length
  return devices === 0 ? undefined : devices
}

function given<N extends string, T>(name: N, value: T | undefined): { readonly [M in N]?: T } {
  return value === undefined ? {} : ({ [name]: value } as { readonly [M in N]?: T })
}
