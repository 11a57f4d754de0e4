import { readEnrolment } from '@writ/agent-sdk'
import { Fault, isFault, type ReasonCode } from '@writ/contracts'
import type { Command } from 'commander'
import { hasLocalPlane, localContext, unknownContext } from '../contexts/choose-context.ts'
import { contextsFile, LOCAL_CONTEXT, readContexts, type StoredContext } from '../contexts/contexts-file.ts'
import { addContext, removeContext, useContext } from '../contexts/edit-contexts.ts'
import { exitCodeOf } from '../exit-codes.ts'
import { examples } from '../help.ts'
import type { Act, Invocation } from '../invocation.ts'
import { list } from '../options.ts'
import { styled } from '../terminal/style.ts'

/** `writ context add|use|list|show|remove` */
export function addContextCommands(program: Command, act: Act): void {
  const group = program
    .command('context')
    .description('Which plane, and as whom: names for enrolment packages, in ~/.config/writ.')
  addAdd(group, act)
  const use = group
    .command('use <name>')
    .description('work in this context from now on')
    .action(act((invocation, name) => useCommand(invocation, String(name))))
  examples(use, 'writ context use prod', {
    run: 'writ context use local',
    what: 'back to ./.writ, which `npm start` makes',
  })
  const listed = group
    .command('list')
    .alias('ls')
    .description('all contexts; * is in use')
    .action(act((invocation) => listCommand(invocation)))
  examples(listed, 'writ context list')
  const show = group
    .command('show [name]')
    .description('what a context stands for (default: the one in use)')
    .action(act((invocation, name) => showCommand(invocation, name as string | undefined)))
  examples(show, 'writ context show', 'WRIT_CONTEXT=prod writ context show')
  const remove = group
    .command('remove <name>')
    .alias('rm')
    .description('forget a name; its enrolment package stays')
    .action(act((invocation, name) => removeCommand(invocation, String(name))))
  examples(remove, 'writ context remove prod')
}

interface AddOptions {
  readonly enrolment: string
  readonly local?: string
  readonly health?: string[]
  readonly force?: boolean
}

function addAdd(group: Command, act: Act): void {
  const command = group
    .command('add <name>')
    .description('give an enrolment package a name')
    .requiredOption('--enrolment <dir>', 'folder of the enrolment package')
    .option(
      '--local <dir>',
      'folder of the plane (with local.json), for commands that make identities or read the store',
    )
    .option(
      '--health <urls>',
      'health addresses of services, as token-issuer=http://10.0.0.7:9090, comma separated',
      list,
    )
    .option('--force', 'replace a context of this name')
    .action(act((invocation, name, options) => addCommand(invocation, String(name), options as AddOptions)))
  examples(
    command,
    'writ context add prod --enrolment ~/writ/dora',
    {
      run: 'writ context add mine --enrolment agents/line-2',
      what: 'as an agent: `writ intent submit` needs no --agent then',
    },
    'writ context add pilot --enrolment ~/writ/dora --local /srv/writ --health token-issuer=http://10.0.0.7:9090',
  )
}

async function addCommand({ out, env }: Invocation, name: string, options: AddOptions): Promise<void> {
  const { enrolment, local, health, force } = options
  const given = {
    enrolment,
    ...(local !== undefined && { home: local }),
    ...(health !== undefined && { services: servicesOf(health) }),
  }
  const added = await addContext(contextsFile(env), name, given, force === true)
  out.result({ ok: true, ...added }, [
    `context ${name}: ${added.kind} ${added.id} of ${added.region}`,
    `  writ context use ${name}`,
  ])
}

function servicesOf(given: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    given.map((each) => {
      const [name = '', ...url] = each.split('=')
      if (!/^https?:\/\/[^\s]+$/.test(url.join('=')))
        throw new Fault('malformed', { message: `--health wants NAME=URL, not ${each}.` })
      return [name, url.join('=').replace(/\/$/, '')]
    }),
  )
}

async function useCommand({ out, env }: Invocation, name: string): Promise<void> {
  await useContext(contextsFile(env), name)
  out.result({ ok: true, current: name }, [`context ${name} is in use`])
}

async function removeCommand({ out, env }: Invocation, name: string): Promise<void> {
  await removeContext(contextsFile(env), name)
  out.result({ ok: true, removed: name }, [`context ${name} is forgotten`])
}

interface Described extends StoredContext {
  readonly name: string
  readonly current: boolean
  readonly kind?: string
  readonly id?: string
  readonly region?: string
  readonly nats_url?: string
  /** Why the package cannot be read. */
  readonly code?: ReasonCode
  readonly problem?: string
}

async function describe(name: string, current: boolean, stored: StoredContext): Promise<Described> {
  try {
    const { kind, id, region, nats_url } = await readEnrolment(stored.enrolment)
    return { name, current, ...stored, kind, id, region, nats_url }
  } catch (error) {
    if (!isFault(error)) throw error
    return { name, current, ...stored, code: error.code, problem: error.message }
  }
}

async function everyContext({ env, chosen }: Invocation): Promise<readonly Described[]> {
  const { contexts } = await readContexts(contextsFile(env))
  const inUse = await chosen().then(
    ({ name }) => name,
    () => undefined,
  )
  const all = Object.entries(contexts).sort(([a], [b]) => (a < b ? -1 : 1))
  if (hasLocalPlane()) all.unshift([LOCAL_CONTEXT, localContext()])
  return Promise.all(all.map(([name, stored]) => describe(name, name === inUse, stored)))
}

async function listCommand(invocation: Invocation): Promise<void> {
  const items = await everyContext(invocation)
  invocation.out.table(
    { ok: true, items },
    {
      columns: [
        { title: '' },
        { title: 'NAME' },
        { title: 'AS' },
        { title: 'REGION' },
        { title: 'NATS' },
        { title: 'ENROLMENT', shrinks: true },
      ],
      rows: items.map(({ name, current, kind = '', id = '', region = '', nats_url = '', problem, enrolment }) => [
        current ? styled('green', '*') : ' ',
        styled('bold', name),
        problem === undefined ? `${kind} ${id}` : styled('red', 'unreadable'),
        region,
        nats_url,
        enrolment,
      ]),
      none: 'No context. `npm start` makes ./.writ; `writ context add --help` shows how to name another plane.',
    },
  )
}

async function showCommand(invocation: Invocation, name: string | undefined): Promise<void> {
  const wanted = name ?? (await invocation.chosen()).name
  const all = await everyContext(invocation)
  const found = all.find((each) => each.name === wanted)
  if (found === undefined)
    throw unknownContext(
      wanted,
      all.map((each) => each.name),
    )
  const { current, kind = '?', id = '', region, nats_url, enrolment, home, services = {}, code, problem } = found
  const field = (title: string, value: string | undefined) =>
    value === undefined ? [] : [[styled('dim', `  ${title.padEnd(11)}`), value]]
  invocation.out.result({ ok: problem === undefined, ...found }, [
    ['context ', styled('bold', wanted), current ? '  in use' : ''],
    ...field('as', `${kind} ${id}`),
    ...field('region', region),
    ...field('nats', nats_url),
    ...field('enrolment', enrolment),
    ...field('plane', home),
    ...Object.entries(services).flatMap(([role, url]) => field(role, url)),
    ...field('problem', problem),
  ])
  if (code !== undefined) invocation.fail(exitCodeOf(new Fault(code, { message: problem ?? '' })))
}
