import { readFile } from 'node:fs/promises'
import { type FinishedIntent, isFinal, type SubmittedIntent } from '@writ/agent-sdk'
import { Fault, type JsonObject, type Outcome, type Status } from '@writ/contracts'
import { parseIJson } from '@writ/keys'
import { agentSessions } from '../context.ts'
import { waitsFor } from '../intents/waits-for.ts'
import type { Output } from '../output.ts'

export interface SubmitOptions {
  /** Folders of the agent's enrolment packages, one a region. */
  readonly enrolments: readonly string[]
  /** A file that says which region devices belong to. */
  readonly directory?: string
  readonly action: string
  readonly targets: readonly string[]
  readonly onBehalfOf: string
  readonly purpose: string
  /** A file with the JSON object of the action's parameters. */
  readonly params?: string
  readonly intentId?: string
  readonly wait: boolean
  /** Stops waiting; the intent goes on. */
  readonly signal: AbortSignal
}

export interface Submitted {
  readonly intent_id: string
  readonly intent_digest: string
  /** Whose control plane took it; where there were several. */
  readonly region?: string
  /** Final, unless waiting was interrupted; absent where nothing was heard, or waited for. */
  readonly status?: Status
  readonly outcomes?: readonly Outcome[]
}

/** Submits an intent and, with `wait`, follows it to its end. */
export async function submitIntent(options: SubmitOptions, out: Output): Promise<Submitted> {
  const { enrolments, directory, params, intentId, wait, signal, action, targets, onBehalfOf, purpose } = options
  await using agents = await agentSessions(enrolments, directory)
  const intent = await agents.submit({
    action,
    targets,
    onBehalfOf,
    purpose,
    ...(params !== undefined && { params: await readParams(params) }),
    ...(intentId !== undefined && { intentId }),
  })
  const { id, digest, region } = intent
  const about = { intent_id: id, intent_digest: digest, ...(enrolments.length > 1 && { region }) }
  if (!wait) return about
  return { ...about, ...(await follow(intent, agents.agents.get(region)?.id ?? '', out, signal)) }
}

/** Without news for this long people are told on whom it waits. */
const SAY_AFTER_MS = 5000

async function follow(
  intent: SubmittedIntent,
  agentId: string,
  out: Output,
  signal: AbortSignal,
): Promise<Pick<Submitted, 'status' | 'outcomes'>> {
  let last: Status | undefined
  const told = [`  Ctrl-C stops waiting alone: \`writ intent cancel ${intent.id} --agent ${agentId}\` ends the intent`]
  const say = (): void => {
    for (const line of [...waitsFor(last, intent.expires), ...told.splice(0)]) out.note(line)
  }
  let timer = setTimeout(say, SAY_AFTER_MS)
  try {
    for await (const status of intent.statuses(signal)) {
      last = status
      clearTimeout(timer)
      if (isFinal(status)) continue
      out.note(`${status.state} …`)
      timer = setTimeout(say, SAY_AFTER_MS)
    }
    return await intent.done(signal)
  } catch (error) {
    if (!signal.aborted) throw error
    return last === undefined ? {} : { status: last }
  } finally {
    clearTimeout(timer)
  }
}

async function readParams(path: string): Promise<JsonObject> {
  try {
    return parseIJson(await readFile(path))
  } catch (cause) {
    throw new Fault('malformed', { message: `${path} holds no JSON object.`, cause })
  }
}

/** For people: the state, why, what each device did, and on whom it waits or waited. */
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
    ...waitsFor(status),
  ]
}
