import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { readEnrolment } from '@writ/agent-sdk'
import { Fault, isFault } from '@writ/contracts'
import { withAdvice } from '../advice.ts'
import { assertOfContext, type Context, identityFolder } from '../context.ts'

/**
 * The enrolment package of the agent that a command speaks for: a folder, the id of one that `create` made, or the context's own when
 * that is an agent's. Throws Fault `unknown_agent` where there is none, `malformed` where it is of another plane than the context.
 */
export async function agentPackage(context: () => Promise<Context>, agent: string | undefined): Promise<string> {
  if (agent !== undefined && isPackage(agent)) {
    const known = await context().catch(unlessNone)
    if (known !== undefined) await assertOfContext(known, agent)
    return agent
  }
  const found = await context()
  if (agent === undefined) return ownPackage(found)
  const folder = found.home === undefined ? undefined : identityFolder(found, 'agent', agent)
  if (folder !== undefined && existsSync(folder)) return folder
  const looked = folder === undefined ? agent : `${agent} nor ${folder}`
  throw withAdvice(
    new Fault('unknown_agent', { message: `No enrolment package for ${agent}: neither ${looked} is a folder.` }),
    'Name the package’s folder, or make one: writ agent create --help.',
  )
}

/** A bare word is an id, also where something of that name happens to lie here. */
function isPackage(agent: string): boolean {
  return agent.includes('/') ? existsSync(agent) : existsSync(join(agent, 'enrolment.json'))
}

/** A package says itself which plane it is of: a machine that has it alone needs no context. */
function unlessNone(error: unknown): undefined {
  if (!isFault(error) || error.code !== 'unavailable') throw error
}

async function ownPackage({ name, enrolment }: Context): Promise<string> {
  const { kind, id } = await readEnrolment(enrolment)
  if (kind === 'agent') return enrolment
  throw withAdvice(
    new Fault('malformed', { message: `Which agent? The context ${name} is ${kind} ${id}’s.` }),
    'Name it with --agent: its id, or the folder of its enrolment package.',
  )
}
