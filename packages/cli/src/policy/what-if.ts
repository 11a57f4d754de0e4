import type { Session } from '@writ/agent-sdk'
import {
  checkCeilings,
  type FiledRecord,
  type RoutedDevice,
  touchedByIntent,
  type Verified,
  verifyParty,
} from '@writ/authority'
import {
  Fault,
  type Intent,
  intentMessage,
  isFault,
  type JsonObject,
  type Reason,
  reportMessage,
} from '@writ/contracts'
import { openMessage, sha256, thumbprint } from '@writ/keys'
import { buildInput, type Evaluator, type PolicyDecision, type PolicyInput } from '@writ/policy'
import { type RemainingSteps, remainingSteps } from './remaining-steps.ts'

/** An intent that nobody has signed. */
export interface Asked {
  readonly agent: string
  readonly action: string
  readonly targets: readonly string[]
  readonly user: string
  readonly params?: JsonObject
  readonly delivery?: 'gateway' | 'agent'
  /** NumericDate of the decision. */
  readonly nowSeconds: number
}

export interface WhatIfSources {
  readonly policy: FiledRecord<'policy'>
  readonly evaluator: Pick<Evaluator, 'evaluate'>
  /** What gateways last reported, as stored. */
  readonly reports: readonly Uint8Array[]
  /** States to assume in place of what is reported, by device. */
  readonly states: Readonly<Record<string, JsonObject>>
}

export type WhatIf =
  /** Before policy is asked: by the rows of CONTRACT section 6 that compare an intent with records and revokes. */
  | { readonly decidedBy: 'intake'; readonly reason: Reason }
  | ({ readonly decidedBy: 'policy'; readonly decision: PolicyDecision; readonly input: PolicyInput } & RemainingSteps)

/**
 * What would be decided about an intent, with the records and revokes that the session has read. It is decided here, by the bundle's
 * own Wasm, on the input that policy-evaluator would make; nothing is sent. Limits of rate and of unfinished intents are not looked at.
 * Throws Fault `malformed` for what is no intent.
 */
export function whatIf({ authority }: Session, asked: Asked, sources: WhatIfSources): WhatIf {
  const { trust, control, region } = authority
  const agent = trust.record('agent', asked.agent)
  const intent = pretended(asked, authority.audience, agent)
  let devices: readonly RoutedDevice[]
  try {
    if (agent === undefined) throw new Fault('unknown_agent', { message: 'No such agent is registered.' })
    devices = checkCeilings(intent.claims, agent, asked.targets, (id) => trust.record('device', id), region)
    const refusal = control.refusalOf(touchedByIntent({ intent, agent, devices }))
    if (refusal !== undefined) throw new Fault(refusal.code, refusal)
  } catch (error) {
    if (!isFault(error)) throw error
    return { decidedBy: 'intake', reason: { code: error.code, message: error.message } }
  }
  const { nowSeconds } = asked
  const reports = sources.reports.flatMap((body) => verifiedReport({ authority }, body) ?? [])
  const made = buildInput({
    nowSeconds,
    region,
    policy: sources.policy,
    intent,
    agent,
    devices,
    approvals: [],
    attestations: [],
    reports,
  })
  const input = assuming(made, sources.states)
  const decision = sources.evaluator.evaluate(input)
  const approvers = trust.ids('approver').flatMap((id) => trust.record('approver', id) ?? [])
  return { decidedBy: 'policy', decision, input, ...remainingSteps(sources.evaluator, input, decision, approvers) }
}

/** The intent as policy would see it, had the agent signed it with its first key. */
function pretended(
  { agent: iss, action, targets, user, params, delivery, nowSeconds }: Asked,
  aud: string,
  agent: FiledRecord<'agent'> | undefined,
): Verified<typeof intentMessage> {
  const claims: Intent = {
    iss,
    aud,
    iat: nowSeconds,
    exp: nowSeconds + 300,
    jti: 'what-if',
    on_behalf_of: user,
    action,
    targets: [...targets],
    purpose: 'What if?',
    ...(params !== undefined && { params }),
    ...(delivery !== undefined && { delivery }),
  }
  const parsed = intentMessage.schema.safeParse(claims)
  if (!parsed.success) {
    const fields = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ')
    throw new Fault('malformed', { message: `This is no intent: ${fields}.`.slice(0, 1000), cause: parsed.error })
  }
  const [key] = agent?.record.keys ?? []
  const jws = { digest: sha256(JSON.stringify(claims)), kid: key === undefined ? '' : thumbprint(key) }
  return { claims: parsed.data, jws } as unknown as Verified<typeof intentMessage>
}

/** A report that its gateway signed; whose device it is about and how old it is, `buildInput` looks at. */
function verifiedReport(
  { authority }: Pick<Session, 'authority'>,
  body: Uint8Array,
): Verified<typeof reportMessage> | undefined {
  try {
    return verifyParty(authority, 'gateway', openMessage(reportMessage, body))
  } catch (error) {
    if (isFault(error)) return undefined
    throw error
  }
}

/** The address stays the one that is reported; where none is, the device is reached at nowhere known. */
function assuming(input: PolicyInput, states: Readonly<Record<string, JsonObject>>): PolicyInput {
  return {
    ...input,
    targets: input.targets.map((target) => {
      const state = Object.hasOwn(states, target.id) ? states[target.id] : undefined
      if (state === undefined) return target
      const { address = '' } = target.report ?? {}
      return { ...target, report: { state, address, observed_at: input.now } }
    }),
  }
}
