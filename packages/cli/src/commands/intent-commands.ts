import { existsSync } from 'node:fs'
import { connectAgent } from '@writ/agent-sdk'
import { Fault } from '@writ/contracts'
import type { Command } from 'commander'
import { identityFolder, openContext } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { list } from '../options.ts'
import type { Act, Invocation } from '../program.ts'
import { linesOf, submitIntent } from './submit-intent.ts'

interface SubmitOptions {
  readonly agent: string
  readonly action: string
  readonly target: string[]
  readonly user: string
  readonly purpose: string
  readonly params?: string
  readonly intentId?: string
  readonly wait?: boolean
}

/** `writ intent submit`, `writ intent status` */
export function addIntentCommands(program: Command, act: Act): void {
  const intent = program.command('intent').description('Ask for actions and follow them.')
  intent
    .command('submit')
    .description('sign an intent as an agent and publish it')
    .requiredOption('--agent <id>', 'the agent: its id, or the folder of its enrolment package')
    .requiredOption('--action <action>', 'for example restart')
    .requiredOption('--target <devices>', 'devices, comma separated', list)
    .requiredOption('--user <user>', 'on whose behalf')
    .requiredOption('--purpose <text>', 'one sentence for the people who approve and audit')
    .option('--params <file>', 'JSON object with the action’s parameters')
    .option('--intent-id <id>', 'an id of your own')
    .option('--wait', 'follow it to its end')
    .addHelpText(
      'after',
      '\nExample:\n  writ intent submit --agent maintenance --action restart --target press-07 --user u-anna --purpose "Clear the fault." --wait',
    )
    .action(act((invocation, options) => submit(invocation, options as SubmitOptions)))
  intent
    .command('status <intent-id>')
    .description('the current status of an intent')
    .requiredOption('--agent <id>', 'the agent whose intent it is')
    .action(act((invocation, id, options) => status(invocation, String(id), (options as { agent: string }).agent)))
}

async function packageOf(home: string, agent: string): Promise<string> {
  if (existsSync(agent)) return agent
  const folder = identityFolder(await openContext(home), 'agent', agent)
  if (existsSync(folder)) return folder
  throw new Fault('unknown_agent', {
    message: `No enrolment package for ${agent}: neither ${agent} nor ${folder} is a folder.`,
  })
}

async function submit({ out, home, fail }: Invocation, options: SubmitOptions): Promise<void> {
  const { agent, target, user, wait, params, intentId, action, purpose } = options
  const submitted = await submitIntent(
    {
      enrolment: await packageOf(home, agent),
      action,
      targets: target,
      onBehalfOf: user,
      purpose,
      wait: wait === true,
      ...(params !== undefined && { params }),
      ...(intentId !== undefined && { intentId }),
    },
    out,
  )
  const { status: ended, outcomes = [] } = submitted
  const lines = ended === undefined ? [`${submitted.intent_id}  published`] : linesOf({ status: ended, outcomes })
  out.result({ ok: ended === undefined || ended.state === 'succeeded', ...submitted }, lines)
  if (ended !== undefined && ended.state !== 'succeeded') fail(EXIT.notSucceeded)
}

async function status({ out, home }: Invocation, intentId: string, agentId: string): Promise<void> {
  await using agent = await connectAgent({ enrolment: await packageOf(home, agentId) })
  const found = await agent.status(intentId)
  if (found === undefined) throw new Fault('unavailable', { message: `Nothing is known of the intent ${intentId}.` })
  out.result({ ok: true, status: found }, linesOf({ status: found, outcomes: [] }))
}
