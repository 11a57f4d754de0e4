import { isFinal, readEnrolment, type Session } from '@writ/agent-sdk'
import { Fault, INTENT_STATES, type IntentState, type Status } from '@writ/contracts'
import { type Command, Option } from 'commander'
import { withAdvice } from '../advice.ts'
import { agentSession, connectSession } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { examples } from '../help.ts'
import { agentPackage } from '../intents/agent-package.ts'
import { cancelIntent } from '../intents/cancel-intent.ts'
import { lineOfEvent, lineOfStatus, stateOf } from '../intents/lines-of-intent.ts'
import { type ListedIntent, listIntents } from '../intents/list-intents.ts'
import { pollIntents } from '../intents/poll-intents.ts'
import { watchIntents } from '../intents/watch-intents.ts'
import type { Act, Invocation } from '../invocation.ts'
import { wholeNumber } from '../options.ts'
import { styled } from '../terminal/style.ts'
import { timeText } from '../terminal/time-text.ts'
import { linesOf } from './submit-intent.ts'

interface Options {
  readonly agent?: string
  readonly as?: string
  readonly limit: number
  readonly state?: IntentState
  readonly wait?: boolean
}

const AGENT = 'the agent whose intent it is: its id, or its package’s folder (default: the context’s)'

export function addStatusCommand(group: Command, act: Act): void {
  const command = group
    .command('status <intent-id>')
    .description('the current status of an intent')
    .option('--agent <id>', AGENT)
    .action(act((invocation, id, options) => status(invocation, String(id), options as Options)))
  examples(command, 'writ intent status 5f2c6c1e-… --agent maintenance')
}

async function status({ out, context }: Invocation, intentId: string, { agent: of }: Options): Promise<void> {
  await using agent = await agentSession(await agentPackage(context, of))
  const found = await agent.status(intentId)
  if (found === undefined)
    throw withAdvice(
      new Fault('unavailable', { message: `Nothing is known of the intent ${intentId}.` }),
      '`writ intent list` shows the intents that are known.',
    )
  out.result({ ok: true, status: found }, linesOf({ status: found, outcomes: [] }))
}

export function addIntentListCommand(group: Command, act: Act): void {
  const command = group
    .command('list')
    .alias('ls')
    .description('intents with their latest status, the one that changed last first')
    .option('--agent <id>', 'of this agent alone')
    .addOption(new Option('--state <state>', 'in this state alone').choices(INTENT_STATES))
    .option('--limit <n>', 'at most this many', wholeNumber, 50)
    .option('--as <dir>', 'enrolment package of the operator or agent who asks (default: the context’s)')
    .action(act((invocation, options) => listCommand(invocation, options as Options)))
  examples(command, 'writ intent list', 'writ intent list --agent maintenance --state needs_approval')
}

async function listCommand(invocation: Invocation, { agent, as, limit, state }: Options): Promise<void> {
  await using session = await askingSession(invocation, as)
  const { items: all, asked } = await listIntents(session, agent)
  const fitting = all.filter((item) => state === undefined || item.status.state === state)
  const items = fitting.slice(0, limit)
  const more = fitting.length - items.length
  invocation.out.table(
    { ok: true, items, more, ...asked },
    {
      columns: [
        { title: 'INTENT' },
        { title: 'AGENT', shrinks: true },
        { title: 'STATE' },
        { title: 'SINCE' },
        { title: 'STEPS', shrinks: true },
        { title: 'REASON', shrinks: true },
      ],
      rows: items.map(rowOf),
      none: 'No intent is known.',
    },
  )
  if (more > 0) invocation.out.note(`… and ${more} that changed before these: --limit shows more.`)
  if (!asked.agents_known)
    invocation.out.note(
      `Whose they are is not known: of ${asked.agents} agents the broker was asked at once. Name one with --agent.`,
    )
}

function rowOf({ agent_id = '–', status: { intent_id, state, iat, steps, reasons } }: ListedIntent) {
  return [
    styled('bold', intent_id),
    agent_id,
    stateOf(state),
    timeText(new Date(iat * 1000).toISOString()),
    steps.map(({ device_id, state: each }) => `${device_id} ${each}`).join(', '),
    reasons.map(({ code }) => code).join(', '),
  ]
}

/** Connected as the operator or agent of the context, or of another package. */
async function askingSession({ context }: Invocation, as: string | undefined): Promise<Session> {
  if (as !== undefined) return connectSession(as)
  const { enrolment, keyFile } = await context()
  return connectSession(enrolment, keyFile)
}

export function addCancelCommand(group: Command, act: Act): void {
  const command = group
    .command('cancel <intent-id>')
    .description('ask for an intent to be cancelled: steps that have begun run on')
    .option('--agent <id>', AGENT)
    .option('--wait', 'follow it to its end')
    .action(act((invocation, id, options) => cancel(invocation, String(id), options as Options)))
  examples(command, 'writ intent cancel 5f2c6c1e-… --agent maintenance --wait')
}

async function cancel(invocation: Invocation, intentId: string, { agent, wait }: Options): Promise<void> {
  const { out, context, fail } = invocation
  const folder = await agentPackage(context, agent)
  const before = await cancelIntent(folder, intentId)
  const about = { intent_id: intentId, intent_digest: before.intent_digest }
  if (wait !== true) {
    out.result({ ok: true, ...about }, [`${intentId}  asked to be cancelled`])
    return
  }
  await using session = await connectSession(folder)
  let last = before
  for await (const event of watchIntents(session, intentId, invocation.untilInterrupted())) {
    if (event.type !== 'status') continue
    last = event.status
    if (last.n > before.n) out.note(lineOfStatus(last))
  }
  const code = codeOfEnd(last, 'cancelled')
  const waits = code === EXIT.unavailable ? ['  asked to be cancelled; how it ends was not waited for'] : []
  out.result({ ok: code === EXIT.ok, ...about, status: last }, [...linesOf({ status: last, outcomes: [] }), ...waits])
  if (code !== EXIT.ok) fail(code)
}

const WATCH_TELLS = `
An agent hears of its own intents live, with each step as its gateway signed it. An operator has no live copy: the broker is asked each second
about everybody’s, and its word on statuses and steps is shown. What passes within that second is not seen.`

export function addWatchCommand(group: Command, act: Act): void {
  const command = group
    .command('watch [intent-id]')
    .description('intents as they move, a line a step, until Ctrl-C or the intent’s end')
    .option('--agent <id>', 'the agent: its id, or its package’s folder; as an operator, everybody when absent')
    .action(
      act((invocation, intentId, options) => watch(invocation, intentId as string | undefined, options as Options)),
    )
  examples(
    command,
    { run: 'writ intent watch --agent maintenance', what: 'live, with each step as its gateway signed it' },
    {
      run: 'writ intent watch 5f2c6c1e-… --agent maintenance',
      what: 'ends with the intent: 0 when it succeeded, else 5; 4 when it is interrupted before',
    },
    {
      run: 'writ intent watch --json | jq -c \'select(.type == "status") | [.agent_id, .status.state]\'',
      what: 'everybody’s, as an operator: one JSON document a line',
    },
  )
  command.addHelpText('after', WATCH_TELLS)
}

async function watch(invocation: Invocation, intentId: string | undefined, { agent }: Options): Promise<void> {
  const { out, context, fail } = invocation
  const { enrolment, keyFile } = agent === undefined ? await context() : { enrolment: undefined, keyFile: undefined }
  const isOperator = enrolment !== undefined && (await readEnrolment(enrolment)).kind === 'operator'
  if (isOperator && intentId === undefined) {
    await using session = await connectSession(enrolment, keyFile)
    for await (const event of pollIntents(session, invocation.untilInterrupted())) out.item(event, lineOfEvent(event))
    return
  }
  await using session = await connectSession(await agentPackage(context, agent))
  let last: Status | undefined
  for await (const event of watchIntents(session, intentId, invocation.untilInterrupted())) {
    out.item(event, lineOfEvent(event))
    if (event.type === 'status') last = event.status
  }
  // Without an intent to wait for, being interrupted is how it ends.
  if (intentId === undefined) return
  const code = codeOfEnd(last, 'succeeded')
  if (code === EXIT.unavailable) out.note(`${intentId}  has not ended, as far as it was watched`)
  if (code !== EXIT.ok) fail(code)
}

/** How a command ends that waited for an intent's end: interrupted before it, the answer is not known. */
export function codeOfEnd(last: Status | undefined, wanted: IntentState): ExitCode {
  if (last === undefined || !isFinal(last)) return EXIT.unavailable
  return last.state === wanted ? EXIT.ok : EXIT.notSucceeded
}
