import { join } from 'node:path'
import { readEnrolment } from '@writ/agent-sdk'
import { type HeldEpoch, type HoldWord, heldEpochs, parseVkey, setHold } from '@writ/audit'
import { Fault, isFault, type PublicJwk } from '@writ/contracts'
import { readKeyFile, signerOf, verifyJws } from '@writ/keys'
import { openStore, type WormStore } from '@writ/worm-store'
import type { Command } from 'commander'
import { withAdvice } from '../advice.ts'
import { assertOfContext, type Context, localOf } from '../context.ts'
import { examples } from '../help.ts'
import type { Act, Invocation } from '../invocation.ts'
import { tableLines } from '../terminal/table.ts'
import { operatorKeys } from './audit-place.ts'

interface HoldOptions {
  readonly reason: string
  readonly as?: string
  readonly store?: string
}

/** How long the word about a hold is locked; the hold itself lies on it too. */
const WORD_KEPT_MS = 190 * 86_400_000

/** `writ audit hold|release|holds` */
export function addHoldCommands(audit: Command, act: Act): void {
  const commands = [
    ['hold', 'keep every object of an epoch, whatever its retention, until it is released'],
    ['release', 'lift the legal hold of an epoch: its objects have their own retention again'],
  ] as const
  for (const [action, description] of commands) {
    const command = audit
      .command(action)
      .argument('<epoch>', 'a half-year of the context’s log, 2026h2, or a whole origin')
      .description(description)
      .requiredOption('--reason <text>', 'a case or a ticket, and no person’s name: it is locked as the log is')
      .option('--as <dir>', 'enrolment package of the operator who signs (default: the context’s)')
      .option('--store <url>', 'file:<dir> or s3://<bucket>/<prefix> (default: the context’s)')
      .addHelpText(
        'after',
        '\nNeeds no running service. Interrupted, it goes on where it stopped when it is run again.',
      )
      .action(act((invocation, epoch, options) => hold(invocation, action, String(epoch), options as HoldOptions)))
    examples(command, `writ audit ${action} 2026h2 --reason "Case 17/2026${action === 'hold' ? '' : ' is closed'}."`)
  }
  const command = audit
    .command('holds')
    .description('which epochs are under legal hold, who said so and why')
    .option('--store <url>', 'file:<dir> or s3://<bucket>/<prefix> (default: the context’s)')
    .action(act((invocation, options) => holds(invocation, options as Pick<HoldOptions, 'store'>)))
  examples(command, 'writ audit holds', 'writ audit holds --store s3://evidence/plane-1 --json')
}

async function hold(
  { context, out }: Invocation,
  action: HoldWord['action'],
  epoch: string,
  { reason, as, store: url }: HoldOptions,
): Promise<void> {
  const chosen = await context()
  const { operatorId, signer } = await operatorOf(chosen, as)
  const { domain, region } = await logName(chosen)
  const origin = epoch.includes('/') ? epoch : `${domain}/${region}/${epoch}`
  const store = await storeOf(chosen, url)
  const now = (): Date => new Date()
  const progress = (objects: number): void => {
    if (objects % 100 === 0) out.progress(`${objects} objects …`)
  }
  const set = { store, origin, action, reason, operatorId, signer, now, retainMs: WORD_KEPT_MS, progress }
  const { objects, n, said } = await setHold(set)
  out.progress()
  const done = action === 'hold' ? 'are under legal hold' : 'have their own retention again'
  out.result({ ok: true, action, origin, objects, word: n, said }, [
    `${objects} objects of ${origin} ${done}; word ${n}${said ? '' : ', said before'}`,
  ])
}

/** No connection: what is signed lies beside the log, and must be to be had when nothing runs. */
async function operatorOf(context: Context, as: string | undefined) {
  if (as !== undefined) await assertOfContext(context, as)
  const folder = as ?? context.enrolment
  const { kind, id } = await readEnrolment(folder)
  if (kind !== 'operator') {
    const fault = new Fault('wrong_role', { message: `This is for operators, and ${folder} is ${kind} ${id}’s.` })
    throw withAdvice(fault, 'Name an operator’s package with --as DIR, or another context with --context NAME.')
  }
  const keyFile = (as === undefined ? context.keyFile : undefined) ?? join(folder, 'key.jwk')
  return { operatorId: id, signer: signerOf(await readKeyFile(keyFile)) }
}

/** What all epochs of the context's log have in common, by its pinned key. */
async function logName(context: Context): Promise<{ readonly domain: string; readonly region: string }> {
  const { trust, region } = await readEnrolment(context.enrolment)
  const name = trust.log_vkeys.map((vkey) => parseVkey(vkey).name.split('/')).find(([, one]) => one === region)
  const domain = name?.[0]
  if (domain !== undefined) return { domain, region }
  throw new Fault('malformed', { message: `The enrolment in ${context.enrolment} pins no log of ${region}.` })
}

async function storeOf(context: Context, url: string | undefined): Promise<WormStore> {
  return await openStore(url ?? localOf(context).store)
}

export interface ShownHold {
  readonly epoch: string
  readonly origin: string
  /** Whose word it is: an operator's, the storage's own, or one that cannot be read. */
  readonly by: HeldEpoch['by']
  readonly operator?: string
  readonly since?: string
  readonly reason?: string
  /** A pinned operator has signed it. An operator who is only registered is not pinned. */
  readonly signed_by_pinned?: boolean
}

export function shownHold({ epoch, origin, by, word }: HeldEpoch, keys: Iterable<PublicJwk>): ShownHold {
  const own = { epoch, origin, by }
  if (word === undefined || by !== 'word') return own
  const since = new Date(word.iat * 1000).toISOString()
  const pinned = [...keys].some((jwk) => verifiesWith(word, jwk))
  return { ...own, operator: word.iss, since, reason: word.reason, signed_by_pinned: pinned }
}

function verifiesWith({ jws }: NonNullable<HeldEpoch['word']>, jwk: PublicJwk): boolean {
  try {
    verifyJws(jws, jwk)
    return true
  } catch (error) {
    if (isFault(error)) return false
    throw error
  }
}

async function holds(invocation: Invocation, { store: url }: Pick<HoldOptions, 'store'>): Promise<void> {
  const context = await invocation.context()
  const found = await heldEpochs(await storeOf(context, url), await logName(context))
  const keys = [...(await operatorKeys(invocation)).values()]
  const shown = found.map((held) => shownHold(held, keys))
  const rows = shown.map(({ epoch, by, operator = '', since = '', reason = '', signed_by_pinned: pinned }) => [
    epoch,
    pinned === false ? `${by}, not signed by a pinned operator` : by,
    operator,
    since,
    reason,
  ])
  const titles = ['EPOCH', 'BY', 'OPERATOR', 'SINCE', 'REASON']
  const columns = titles.map((title) => ({ title, ...(title === 'REASON' && { shrinks: true }) }))
  invocation.out.result(
    { holds: shown },
    shown.length === 0 ? ['no epoch is under legal hold'] : tableLines(columns, rows),
  )
}
