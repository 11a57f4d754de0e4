import {
  ActionName,
  Compact,
  Fault,
  Id,
  INTENT_STATES,
  type IntentState,
  NumericDate,
  type Reason,
  ReasonShape,
  Sha256,
  STEP_STATES,
  type Status,
  StatusId,
  type StepState,
  User,
} from '@writ/contracts'
import { z } from 'zod'

/** Why what is left of an intent's uses is claimed, so that nothing more of it is redeemed. */
export type CloseReason = 'cancelled' | 'expired' | 'revoked'

export interface StepRecord {
  readonly step_id: string
  readonly device_id: string
  readonly gateway_id: string
  readonly group: string
  readonly state: StepState
  readonly reason?: Reason
  /** Of the gateway's outcome that was counted last. */
  readonly outcome_digest?: string
  /** That outcome as its gateway signed it, where it is small and ends the step or a try; others lie under keys of their own. */
  readonly outcome?: string
  /** An outcome of its gateway ended it: nothing that comes later counts. */
  readonly ended?: true
  /** Uses that ended without effect (`refused` with `too_late` or `interrupted`), by their number. */
  readonly spent?: readonly number[]
}

export interface PlanRecord {
  readonly plan_id: string
  readonly plan_digest: string
  readonly gateway_id: string
  readonly token_id: string
  readonly exp: number
  /** Its stream has acknowledged it. Without it the plan may be out or not. */
  readonly out?: true
  /** When (NumericDate) it was sent last, and how often. */
  readonly sent?: { readonly at: number; readonly times: number }
  /** What was left of it has been claimed before, for a cancel or a revoke. */
  readonly stopped?: true
  /** What was left of it after its `exp` has been claimed. */
  readonly closed?: true
}

/** A decision by its number, `….decision.<n>`, and its digest. */
export interface NumberedDecision {
  readonly n: number
  readonly digest: string
}

export interface ApprovalRecord {
  readonly approver_id: string
  readonly user: string
  readonly digest: string
  readonly decision_digest: string
}

export interface CloseOrder {
  readonly why: CloseReason
  readonly gateways: readonly string[]
  readonly reason?: Reason
}

/** What is known of an intent while it is not settled: the value of `<agent_id>.<jti>` in the bucket `intents`. */
export interface LiveRecord {
  readonly v: 1
  readonly digest: string
  readonly agent_id: string
  readonly intent_id: string
  /** On whose behalf. Absent where another jurisdiction decides: such an intent is refused at once, and its user is not kept here. */
  readonly user?: string
  readonly action: string
  /** The agent's key that signed it. */
  readonly kid: string
  readonly exp: number
  readonly accepted_at: number
  /** After this nothing is decided any more: the intent's `exp`, or later when it waited for somebody. */
  readonly decide_until: number
  readonly state: IntentState
  /** Of the status message that says this. */
  readonly n: number
  readonly reasons: readonly Reason[]
  readonly steps: readonly StepRecord[]
  readonly approval?: NonNullable<Status['approval']>
  readonly attestation?: NonNullable<Status['attestation']>
  readonly plans: readonly PlanRecord[]
  readonly decisions: {
    readonly count: number
    readonly first?: NumberedDecision
    readonly shown?: NumberedDecision
  }
  readonly approvals: readonly ApprovalRecord[]
  /** Results about the agent's host go into the next decision. */
  readonly attested: boolean
  readonly max_uses: number
  readonly closing?: CloseOrder
  readonly trace?: { readonly traceparent: string; readonly tracestate?: string }
}

/** What is left when everything is said and recorded: enough to tell the same bytes from a replay and to say the status again. */
export interface DoneRecord {
  readonly v: 1
  readonly done: true
  readonly digest: string
  readonly agent_id: string
  readonly intent_id: string
  readonly accepted_at: number
  readonly state: IntentState
  readonly n: number
  readonly reasons: readonly Reason[]
  readonly steps: readonly Omit<StepRecord, 'group' | 'ended' | 'spent'>[]
  readonly plans: readonly Pick<PlanRecord, 'plan_id' | 'plan_digest' | 'gateway_id'>[]
}

export type IntentRecord = LiveRecord | DoneRecord

const ReasonValue = z.strictObject(ReasonShape.shape)
const yes = z.literal(true).exactOptional()
const shownStep = {
  step_id: Id,
  device_id: Id,
  gateway_id: Id,
  state: z.enum(STEP_STATES),
  reason: ReasonValue.exactOptional(),
  outcome_digest: Sha256.exactOptional(),
  outcome: Compact.exactOptional(),
}
const shownPlan = { plan_id: Id, plan_digest: Sha256, gateway_id: Id }
const both = {
  v: z.literal(1),
  digest: Sha256,
  agent_id: Id,
  intent_id: Id,
  accepted_at: NumericDate,
  state: z.enum(INTENT_STATES),
  n: z.int().min(1),
  reasons: z.array(ReasonValue),
}
const Numbered = z.strictObject({ n: z.int().min(1), digest: Sha256 })

const Sent = z.strictObject({ at: NumericDate, times: z.int().min(1) })

const Live: z.ZodType<LiveRecord> = z.strictObject({
  ...both,
  user: User.exactOptional(),
  action: ActionName,
  kid: Sha256,
  exp: NumericDate,
  decide_until: NumericDate,
  steps: z.array(
    z.strictObject({ ...shownStep, group: z.string(), ended: yes, spent: z.array(z.int().min(1)).exactOptional() }),
  ),
  approval: z
    .strictObject({ needed: z.int(), given: z.int(), roles: z.array(z.string()), expires: NumericDate })
    .exactOptional(),
  attestation: z.strictObject({ profile: z.string(), max_age_s: z.int(), expires: NumericDate }).exactOptional(),
  plans: z.array(
    z.strictObject({
      ...shownPlan,
      token_id: Id,
      exp: NumericDate,
      out: yes,
      sent: Sent.exactOptional(),
      stopped: yes,
      closed: yes,
    }),
  ),
  decisions: z.strictObject({
    count: z.int().min(0),
    first: Numbered.exactOptional(),
    shown: Numbered.exactOptional(),
  }),
  approvals: z.array(z.strictObject({ approver_id: Id, user: User, digest: Sha256, decision_digest: Sha256 })),
  attested: z.boolean(),
  max_uses: z.int().min(1),
  closing: z
    .strictObject({
      why: z.enum(['cancelled', 'expired', 'revoked']),
      gateways: z.array(Id).min(1),
      reason: ReasonValue.exactOptional(),
    })
    .exactOptional(),
  trace: z
    .strictObject({ traceparent: z.string().max(64), tracestate: z.string().max(512).exactOptional() })
    .exactOptional(),
})

const Done: z.ZodType<DoneRecord> = z.strictObject({
  ...both,
  done: z.literal(true),
  steps: z.array(z.strictObject(shownStep)),
  plans: z.array(z.strictObject(shownPlan)),
})

/** Of an intent that is this jurisdiction's. Throws Fault `internal` of one whose user was not kept. */
export function userOf({ user }: LiveRecord): string {
  if (user === undefined) throw new Fault('internal', { message: 'The user of this intent is not kept here.' })
  return user
}

export function isDone(record: IntentRecord): record is DoneRecord {
  return 'done' in record
}

export function formatRecord(record: IntentRecord): string {
  return JSON.stringify(record)
}

/** @throws Fault `internal` on anything that intent-gateway does not write. */
export function parseRecord(value: Uint8Array): IntentRecord {
  try {
    const json: unknown = JSON.parse(Buffer.from(value).toString('utf8'))
    return Object.hasOwn(Object(json), 'done') ? Done.parse(json) : Live.parse(json)
  } catch (cause) {
    throw new Fault('internal', { message: 'The state of an intent cannot be read.', cause })
  }
}

export function doneOf(record: LiveRecord): DoneRecord {
  const { digest, agent_id, intent_id, accepted_at, state, n, reasons } = record
  return {
    v: 1,
    done: true,
    digest,
    agent_id,
    intent_id,
    accepted_at,
    state,
    n,
    reasons,
    steps: record.steps.map(({ group: _, ended: __, spent: ___, ...step }) => step),
    plans: record.plans
      .filter(({ out }) => out === true)
      .map(({ plan_id, plan_digest, gateway_id }) => ({ plan_id, plan_digest, gateway_id })),
  }
}

/** The same without its gateways' outcomes: STATUS cannot lose them any more. */
export function withoutOutcomes(record: DoneRecord): DoneRecord {
  return { ...record, steps: record.steps.map(({ outcome: _, ...step }) => step) }
}

/** Keys of the bucket `intents`. A state's key alone has two tokens. */
export const stateKey = (agentId: string, intentId: string): string => `${agentId}.${intentId}`
export const intentKey = (state: string): string => `${state}.intent`
/** An outcome as its gateway signed it, by its digest. */
export const outcomeKey = (state: string, digest: string): string => `${state}.outcome.${digest}`
export const cancelKey = (state: string): string => `${state}.cancel`
export const decisionKey = (state: string, n: number): string => `${state}.decision.${n}`
export const approvalKey = (state: string, approverId: string): string => `${state}.approval.${approverId}`
/** Who signed under a `jti` first: commands and approvals. */
export const claimKey = (kind: 'command' | 'approval', id: string, jti: string): string => `${id}.${jti}.${kind}-jti`

export function isStateKey(key: string): boolean {
  const [agent, intent, ...more] = key.split('.')
  return agent !== undefined && intent !== undefined && more.length === 0 && StatusId.safeParse(intent).success
}

const FINAL: ReadonlySet<IntentState> = new Set([
  'succeeded',
  'failed',
  'partial',
  'denied',
  'expired',
  'cancelled',
  'revoked',
  'unknown',
])

export function isFinal(state: IntentState): boolean {
  return FINAL.has(state)
}
