import { isFinal } from '@writ/agent-sdk'
import { Fault, type Status } from '@writ/contracts'
import { agentSession } from '../context.ts'

/**
 * Asks for an intent to be cancelled, as its agent: steps that were not redeemed never run, those that were run on. Answers the status that
 * it had. Throws Fault `unavailable` when nothing is known of it, `malformed` when it has ended.
 */
export async function cancelIntent(enrolment: string, intentId: string): Promise<Status> {
  await using agent = await agentSession(enrolment)
  const status = await agent.status(intentId)
  if (status === undefined) throw new Fault('unavailable', { message: `Nothing is known of the intent ${intentId}.` })
  if (isFinal(status)) throw new Fault('malformed', { message: `The intent ${intentId} has ended: ${status.state}.` })
  await agent.cancel({ digest: status.intent_digest })
  return status
}
