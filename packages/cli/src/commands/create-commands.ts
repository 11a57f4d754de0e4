import { readFile } from 'node:fs/promises'
import { type DeviceRecord, Fault } from '@writ/contracts'
import type { Command } from 'commander'
import { examples } from '../help.ts'
import type { Act, Invocation } from '../invocation.ts'
import { list, wholeNumber } from '../options.ts'
import { type Created, type CreateOptions, createDevice, createIdentity } from './create-identity.ts'
import { filing, type SigningOptions } from './signing-options.ts'

interface Common extends SigningOptions {
  readonly out?: string
  readonly key?: string
  readonly version: number
}

function common(command: Command, packaged: boolean): Command {
  filing(command, 'Filed with the command line.').option(
    '--version <n>',
    'version of the record: 1 makes it, the next one replaces it',
    wholeNumber,
    1,
  )
  if (packaged) {
    command
      .option('--out <dir>', 'folder of the enrolment package (default: in the plane’s folder)')
      .option('--key <file>', 'register this public JWK instead of making a key, or of the keys of the record')
  }
  return command
}

function optionsFor(
  { out: { note } }: Invocation,
  id: unknown,
  { out, key, version, reason, as, cosign, cosignRequest }: Common,
): CreateOptions {
  return {
    id: String(id),
    version,
    reason,
    told: note,
    ...(out !== undefined && { out }),
    ...(key !== undefined && { key }),
    ...(as !== undefined && { as }),
    ...(cosign !== undefined && { cosign }),
    ...(cosignRequest !== undefined && { cosignRequest }),
  }
}

function say({ out }: Invocation, created: Created): void {
  const { kind, id, version, keys = [], enrolment, revokes, warnings } = created
  const stands = `  but it may do nothing yet: revoke ${revokes.join(', ')} stands against it; \`writ lift ${revokes[0]}\` ends it`
  out.result({ ok: true, ...created }, [
    `${kind} ${id} filed, version ${version}`,
    ...keys.map((kid) => `  key ${kid}`),
    ...(enrolment === undefined ? [] : [`  enrolment package ${enrolment}`]),
    ...(revokes.length === 0 ? [] : [stands]),
  ])
  for (const warning of warnings) out.warn(warning)
}

interface AgentOptions extends Common {
  readonly users: string[]
  readonly actions: string[]
  readonly groups: string[]
  readonly unfinishedMax?: number
  readonly perMinuteMax?: number
}

export function addCreateAgent(group: Command, act: Act): void {
  const command = common(group.command('create <id>').description('enrol an agent and file its ceiling'), true)
    .requiredOption('--users <users>', 'users it may act for, comma separated', list)
    .requiredOption('--actions <actions>', 'actions it may ever ask for', list)
    .requiredOption('--groups <groups>', 'device groups it may ever reach', list)
    .option('--unfinished-max <n>', 'unfinished intents at a time', wholeNumber)
    .option('--per-minute-max <n>', 'intents a minute', wholeNumber)
    .action(act((invocation, id, options) => createAgent(invocation, id, options as AgentOptions)))
  examples(
    command,
    'writ agent create maintenance --users u-anna --actions restart,telemetry-read --groups press-hall',
    {
      run: 'writ agent create line-2 --users u-anna --actions restart --groups press-hall --out agents/line-2',
      what: 'with its enrolment package where you want it: give that folder to whoever runs the agent',
    },
    {
      run: 'writ agent create line-2 --version 2 --users u-anna,u-bo --actions restart --groups press-hall',
      what: 'replaces the record: the next version, whole, but with the keys it has (`rotate-key` changes those)',
    },
  )
}

async function createAgent(invocation: Invocation, id: unknown, options: AgentOptions): Promise<void> {
  const { users, actions, groups, unfinishedMax, perMinuteMax } = options
  const context = await invocation.context()
  const created = await createIdentity(context, 'agent', optionsFor(invocation, id, options), (keys) => ({
    keys,
    users,
    actions,
    groups,
    ...(unfinishedMax !== undefined && { unfinished_max: unfinishedMax }),
    ...(perMinuteMax !== undefined && { per_minute_max: perMinuteMax }),
  }))
  say(invocation, created)
}

type GatewayOptions = Common & { readonly jurisdiction: string }

export function addCreateGateway(group: Command, act: Act): void {
  const command = common(group.command('create <id>').description('enrol a gateway, with its plan consumer'), true)
    .requiredOption('--jurisdiction <region>', 'where it stands: the plane’s region')
    .action(act((invocation, id, options) => createGateway(invocation, id, options as GatewayOptions)))
  examples(command, 'writ gateway create gw-press-hall --jurisdiction eusc-de-east-1 --out gateways/press-hall')
}

async function createGateway(invocation: Invocation, id: unknown, options: GatewayOptions): Promise<void> {
  const context = await invocation.context()
  const { jurisdiction } = options
  say(
    invocation,
    await createIdentity(context, 'gateway', optionsFor(invocation, id, options), (keys) => ({ keys, jurisdiction })),
  )
}

interface DeviceOptions extends Common {
  readonly gateway?: string
  readonly group: string
  readonly jurisdiction: string
  readonly actions: string[]
  readonly floors?: string
}

export function addCreateDevice(group: Command, act: Act): void {
  const command = common(group.command('create <id>').description('file a device: no key, no package'), false)
    .option('--gateway <id>', 'the gateway that reaches it')
    .requiredOption('--group <group>', 'its group')
    .requiredOption('--jurisdiction <region>', 'where it stands: the plane’s region')
    .requiredOption('--actions <actions>', 'actions it can do', list)
    .option('--floors <file>', 'JSON: approvals and attestation that its actions need whatever policy says')
    .action(act((invocation, id, options) => fileDevice(invocation, id, options as DeviceOptions)))
  examples(
    command,
    'writ device create press-07 --gateway gw-press-hall --group press-hall --jurisdiction eusc-de-east-1 --actions restart,telemetry-read',
    {
      run: 'writ device create press-08 --gateway gw-press-hall --group press-hall --jurisdiction eusc-de-east-1 --actions restart --floors floors.json',
      what: 'floors.json: {"restart": {"approvals": {"count": 2, "roles": ["plant-manager"]}}}',
    },
  )
}

async function fileDevice(invocation: Invocation, id: unknown, options: DeviceOptions): Promise<void> {
  const { gateway, group, jurisdiction, actions, floors } = options
  const record: DeviceRecord = {
    ...(gateway !== undefined && { gateway_id: gateway }),
    group,
    jurisdiction,
    actions,
    ...(floors !== undefined && { floors: await readFloors(floors) }),
  }
  say(invocation, await createDevice(await invocation.context(), optionsFor(invocation, id, options), record))
}

async function readFloors(path: string): Promise<NonNullable<DeviceRecord['floors']>> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as NonNullable<DeviceRecord['floors']>
  } catch (cause) {
    throw new Fault('malformed', { message: `${path} holds no JSON.`, cause })
  }
}

type ApproverOptions = Common & { readonly user: string; readonly roles: string[] }

export function addCreateApprover(group: Command, act: Act): void {
  const command = common(group.command('create <id>').description('enrol an approver'), true)
    .requiredOption('--user <user>', 'the person')
    .requiredOption('--roles <roles>', 'roles they approve in', list)
    .action(act((invocation, id, options) => createApprover(invocation, id, options as ApproverOptions)))
  examples(command, 'writ approver create marta --user u-marta --roles plant-manager --out people/marta')
}

async function createApprover(invocation: Invocation, id: unknown, options: ApproverOptions): Promise<void> {
  const context = await invocation.context()
  const { user, roles } = options
  say(
    invocation,
    await createIdentity(context, 'approver', optionsFor(invocation, id, options), (keys) => ({ keys, user, roles })),
  )
}

type OperatorOptions = Common & { readonly user: string }

export function addCreateOperator(group: Command, act: Act): void {
  const command = common(group.command('create <id>').description('enrol an operator; a root operator signs'), true)
    .requiredOption('--user <user>', 'the person')
    .action(act((invocation, id, options) => createOperator(invocation, id, options as OperatorOptions)))
  examples(command, 'writ operator create deputy --user u-dora --out people/dora')
}

async function createOperator(invocation: Invocation, id: unknown, options: OperatorOptions): Promise<void> {
  const context = await invocation.context()
  const { user } = options
  say(
    invocation,
    await createIdentity(context, 'operator', optionsFor(invocation, id, options), (keys) => ({ keys, user })),
  )
}
