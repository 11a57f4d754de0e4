import type { Command } from 'commander'
import { EXIT } from '../exit-codes.ts'
import { examples } from '../help.ts'
import { agentPackage } from '../intents/agent-package.ts'
import type { Act, Invocation } from '../invocation.ts'
import { list } from '../options.ts'
import {
  addCancelCommand,
  addIntentListCommand,
  addStatusCommand,
  addWatchCommand,
  codeOfEnd,
} from './follow-commands.ts'
import { linesOf, submitIntent } from './submit-intent.ts'

interface SubmitOptions {
  readonly agent?: string[]
  readonly directory?: string
  readonly action: string
  readonly target: string[]
  readonly user: string
  readonly purpose: string
  readonly params?: string
  readonly intentId?: string
  readonly wait?: boolean
}

/** `writ intent submit|status|list|cancel|watch` */
export function addIntentCommands(program: Command, act: Act): void {
  const intent = program.command('intent').description('Ask for actions and follow them.')
  const submitted = intent
    .command('submit')
    .description('sign an intent as an agent and publish it')
    .option(
      '--agent <ids>',
      'the agent: its id, or the folder of its enrolment package (default: the context’s). Several folders, of different regions: the one that decides is asked',
      list,
    )
    .option('--directory <file>', 'with several: which region devices belong to, by patterns of their ids')
    .requiredOption('--action <action>', 'for example restart')
    .requiredOption('--target <devices>', 'devices, comma separated', list)
    .requiredOption('--user <user>', 'on whose behalf')
    .requiredOption('--purpose <text>', 'one sentence for the people who approve and audit')
    .option('--params <file>', 'JSON object with the action’s parameters')
    .option('--intent-id <id>', 'an id of your own')
    .option('--wait', 'follow it to its end')
    .action(act((invocation, options) => submit(invocation, options as SubmitOptions)))
  examples(
    submitted,
    {
      run: 'writ intent submit --agent maintenance --action telemetry-read --target press-07 --user u-anna --purpose "Have a look." --wait',
      what: 'ends with 0 when it succeeded, else with 5; with 4 when it is interrupted before',
    },
    {
      run: 'writ intent submit --agent maintenance --action config-change --target press-07 --user u-anna --purpose "Slower." --params speed.json',
      what: 'speed.json holds one JSON object',
    },
    {
      run: 'writ intent submit --agent agents/eu,agents/us --directory jurisdictions.json --action telemetry-read --target eu-press-07 --user u-anna --purpose "Have a look." --wait',
      what: 'asks the control plane of the device’s jurisdiction',
    },
  )
  addStatusCommand(intent, act)
  addIntentListCommand(intent, act)
  addCancelCommand(intent, act)
  addWatchCommand(intent, act)
}

async function submit(invocation: Invocation, options: SubmitOptions): Promise<void> {
  const { out, context, fail } = invocation
  const { agent = [], directory, target, user, wait, params, intentId, action, purpose } = options
  const several = agent.length > 1 ? agent : []
  const submitted = await submitIntent(
    {
      // Several are of several planes, so that no one context is theirs: they are named by their folders.
      enrolments: several.length > 0 ? several : [await agentPackage(context, agent[0])],
      ...(directory !== undefined && { directory }),
      action,
      targets: target,
      onBehalfOf: user,
      purpose,
      wait: wait === true,
      signal: wait === true ? invocation.untilInterrupted() : new AbortController().signal,
      ...(params !== undefined && { params }),
      ...(intentId !== undefined && { intentId }),
    },
    out,
  )
  const { status, outcomes = [] } = submitted
  const code = wait === true ? codeOfEnd(status, 'succeeded') : EXIT.ok
  out.result({ ok: code === EXIT.ok, ...submitted }, [
    ...(status === undefined ? [`${submitted.intent_id}  published`] : linesOf({ status, outcomes })),
    ...(code === EXIT.unavailable ? ['  how it ends was not waited for'] : []),
  ])
  if (code !== EXIT.ok) fail(code)
}
