import { readFile } from 'node:fs/promises'
import { type FinishedIntent, isFinal } from '@writ/agent-sdk'
import { Fault, type JsonObject, type Outcome, type Status } from '@writ/contracts'
import { parseIJson } from '@writ/keys'
import { agentSession } from '../context.ts'
import type { Output } from '../output.ts'

export interface SubmitOptions {
  /** Folder of the agent's enrolment package. */
  readonly enrolment: string
  readonly action: string
  readonly targets: readonly string[]
  readonly onBehalfOf: string
  readonly purpose: string
  /** A file with the JSON object of the action's parameters. */
  readonly params?: string
  readonly intentId?: string
  readonly wait: boolean
}

export interface Submitted {
  readonly intent_id: string
  readonly intent_digest: string
  readonly status?: Status
  readonly outcomes?: readonly Outcome[]
}

/** Submits an intent and, with `wait`, follows it to its end. */
export async function submitIntent(options: SubmitOptions, out: Output): Promise<Submitted> {
  const { enrolment, params, intentId, wait, action, targets, onBehalfOf, purpose } = options
  await using agent = await agentSession(enrolment)
  const intent = await agent.submit({
    action,
    targets,
    onBehalfOf,
    purpose,
    ...(params !== undefined && { params: await readParams(params) }),
    ...(intentId !== undefined && { intentId }),
  })
  const about = { intent_id: intent.id, intent_digest: intent.digest }
  if (!wait) return about
  for await (const status of intent.statuses()) if (!isFinal(status)) out.note(`${status.state} …`)
  const { status, outcomes } = await intent.done()
  return { ...about, status, outcomes }
}

async function readParams(path: string): Promise<JsonObject> {
  try {
    return parseIJson(await readFile(path))
  } catch (cause) {
    throw new Fault('malformed', { message: `${path} holds no JSON object.`, cause })
  }
}

/** For people: the state, why, and what each device did. */
export function linesOf({ status, outcomes }: Pick<FinishedIntent, 'status' | 'outcomes'>): readonly string[] {
  return [
    `${status.intent_id}  ${status.state}`,
    ...status.reasons.map(({ code, message }) => `  because: ${code}: ${message}`),
    ...status.steps.map(({ step_id, device_id, gateway_id, state, reason }) => {
      const why = reason === undefined ? '' : ` (${reason.code}: ${reason.message})`
      return `  ${step_id}  ${device_id} via ${gateway_id}: ${state}${why}`
    }),
    ...outcomes.flatMap(({ device_id, result }) =>
      result === undefined ? [] : [`  ${device_id} returned ${JSON.stringify(result)}`],
    ),
  ]
}
