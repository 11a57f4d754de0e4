import type { Command } from 'commander'
import { operatorSession } from '../context.ts'
import { examples } from '../help.ts'
import type { Act, Invocation } from '../invocation.ts'
import { wholeNumber } from '../options.ts'
import { type Line, type Piece, type Style, styled } from '../terminal/style.ts'
import { timeText } from '../terminal/time-text.ts'
import { listTokens, type ShownToken, showToken, type TokenState } from '../tokens/list-tokens.ts'

interface Options {
  readonly agent?: string
  readonly limit: number
  readonly live?: boolean
  readonly as?: string
}

/** `writ token list|show` */
export function addTokenCommands(program: Command, act: Act): void {
  const group = program.command('token').description('Capability tokens that were issued.')
  const list = group
    .command('list')
    .alias('ls')
    .description('tokens of the last day, newest first')
    .option('--agent <id>', 'of this agent alone')
    .option('--live', 'neither expired nor revoked')
    .option('--limit <n>', 'at most this many are looked at', wholeNumber, 100)
    .option('--as <dir>', 'enrolment package of the operator who asks (default: the context’s)')
    .action(act((invocation, options) => listCommand(invocation, options as Options)))
  examples(list, 'writ token list', 'writ token list --agent maintenance --live')
  const show = group
    .command('show <token-id>')
    .description('what a token allows, on whose word, and whether it still counts')
    .option('--as <dir>', 'enrolment package of the operator who asks (default: the context’s)')
    .action(
      act(async (invocation, tokenId, options) => {
        await using session = await operatorSession(await invocation.context(), (options as Options).as)
        const shown = await showToken(session, String(tokenId))
        invocation.out.result({ ok: true, ...shown }, linesOf(shown))
      }),
    )
  examples(show, 'writ token show t12e8fb97-521e-4bf8-9f96-f8e850b402b7')
}

async function listCommand(invocation: Invocation, { agent, limit, live, as }: Options): Promise<void> {
  await using session = await operatorSession(await invocation.context(), as)
  const items = (await listTokens(session, agent, limit)).filter(({ state }) => live !== true || state === 'live')
  invocation.out.table(
    { ok: true, items },
    {
      columns: [
        { title: 'TOKEN' },
        { title: 'STATE' },
        { title: 'AGENT', shrinks: true },
        { title: 'GATEWAY', shrinks: true },
        { title: 'ISSUED' },
        { title: 'EXPIRES' },
        { title: 'SCOPE', shrinks: true },
      ],
      rows: items.map(({ token_id, state, agent_id, gateway_id, issued_at, expires_at, scope }) => [
        styled('bold', token_id),
        stateOf(state),
        agent_id,
        gateway_id,
        timeText(issued_at),
        timeText(expires_at).slice(11),
        scope.join(' '),
      ]),
      none: 'No token.',
    },
  )
}

const STYLES: Readonly<Record<TokenState, Style>> = {
  live: 'green',
  expired: 'dim',
  revoked: 'yellow',
  quarantined: 'red',
}

function stateOf(state: TokenState): Piece {
  return styled(STYLES[state], state)
}

function linesOf(shown: ShownToken): readonly Line[] {
  const field = (name: string, value: string): Line => [styled('dim', `  ${name.padEnd(11)}`), value]
  const { token_id, state, agent_id, user, gateway_id, scope, issued_at, expires_at, max_uses, rev, bind } = shown
  return [
    ['token ', styled('bold', token_id), '  ', stateOf(state)],
    field('agent', `${agent_id}, for ${user}`),
    field('gateway', `${gateway_id} alone`),
    ...scope.map((each) => field('allows', each)),
    field('uses', `${max_uses} for each step`),
    field('issued', timeText(issued_at)),
    field('expires', timeText(expires_at)),
    field('intent', shown.intent_digest),
    field('decision', shown.decision_digest),
    field('plan', shown.plan_id),
    field('control', `message ${rev.seq} of ${rev.stream} was applied`),
    ...(bind === undefined ? [] : [field('bound to', JSON.stringify(bind))]),
  ]
}
