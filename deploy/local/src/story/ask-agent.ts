import type { Agent, FinishedIntent, IntentRequest } from '@writ/agent-sdk'
import type { Status } from '@writ/contracts'
import type { Told } from './step.ts'

/** What the intent is expected to end as: its state and, where it is refused, the code. */
export interface Expected {
  readonly state: Status['state']
  readonly code?: string
  /** The value that must have come back from the first device. */
  readonly returns?: (result: Readonly<Record<string, unknown>>) => boolean
}

/** Who asks, and what the active policy is called. */
export interface Asking {
  readonly agent: Agent
  readonly policy: string
}

const ASK_WITHIN_MS = 20_000

/** Submits an intent, follows it to its end and tells who asked, what policy said, which token and gateway, what the device did. */
export async function askAgent({ agent, policy }: Asking, request: IntentRequest, expected: Expected): Promise<Told> {
  const intent = await agent.submit(request)
  const finished = await intent.done(AbortSignal.timeout(ASK_WITHIN_MS))
  const lines = [asked(agent, request), ...decided(finished, policy), ...acted(finished)]
  const wrong = mismatch(finished, expected)
  return { lines, intents: [intent.digest], ...(wrong !== undefined && { instead: wrong }) }
}

function asked({ id }: Agent, { action, targets, onBehalfOf, purpose }: IntentRequest): readonly [string, string] {
  return ['asked', `agent ${id}, for ${onBehalfOf}: ${action} ${targets.join(', ')} — “${purpose}”`]
}

function decided({ status, outcomes }: FinishedIntent, policy: string): (readonly [string, string])[] {
  const why = status.reasons.map(({ code, message }) => `${code}: ${message}`).join(' ')
  if (outcomes.length === 0) return [['decided', `refused. ${why}`]]
  return [['decided', `allowed by policy-evaluator under ${policy}, and again by token-issuer on its own`]]
}

function acted({ status, outcomes }: FinishedIntent): (readonly [string, string])[] {
  return outcomes.flatMap((outcome) => {
    const gateway = status.steps.find(({ step_id }) => step_id === outcome.step_id)?.gateway_id ?? ''
    const said = outcome.result ?? outcome.reason?.message ?? ''
    return [
      ['token', `${outcome.token_id ?? '–'}, for ${gateway} alone: device:${outcome.action}:${outcome.device_id}`],
      ['gateway', `${gateway} verified the chain, redeemed use ${outcome.use_id ?? '–'} and signed the outcome`],
      ['device', `${outcome.device_id} ${outcome.state}: ${typeof said === 'string' ? said : JSON.stringify(said)}`],
    ] as [string, string][]
  })
}

function mismatch({ status, outcomes }: FinishedIntent, { state, code, returns }: Expected): string | undefined {
  if (status.state !== state) return `it should have ended ${state}, and ended ${status.state}`
  const codes = [
    ...status.reasons.map((reason) => reason.code),
    ...status.steps.flatMap(({ reason }) => (reason === undefined ? [] : [reason.code])),
  ]
  if (code !== undefined && !codes.includes(code as (typeof codes)[number]))
    return `the code should have been ${code}, not ${codes.join(', ')}`
  if (returns !== undefined && !returns(outcomes[0]?.result ?? {}))
    return 'the device should have returned something else'
  return undefined
}
