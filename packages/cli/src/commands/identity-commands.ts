import { readFile } from 'node:fs/promises'
import { type DeviceRecord, Fault } from '@writ/contracts'
import type { Command } from 'commander'
import { openContext } from '../context.ts'
import { list, wholeNumber } from '../options.ts'
import type { Act, Invocation } from '../program.ts'
import { type Created, type CreateOptions, createDevice, createIdentity } from './create-identity.ts'

interface Common {
  readonly out?: string
  readonly key?: string
  readonly version: number
  readonly reason: string
  readonly as?: string
}

function common(command: Command, packaged: boolean): Command {
  command
    .option('--version <n>', 'version of the record: 1 makes it, the next one updates it', wholeNumber, 1)
    .option('--reason <text>', 'why, for the record', 'Filed with the command line.')
    .option('--as <dir>', 'enrolment package of the operator who signs')
  if (packaged) {
    command
      .option('--out <dir>', 'folder of the enrolment package (default: in the plane’s folder)')
      .option('--key <file>', 'register this public JWK instead of making a key')
  }
  return command
}

function optionsFor(id: unknown, { out, key, version, reason, as }: Common): CreateOptions {
  return {
    id: String(id),
    version,
    reason,
    ...(out !== undefined && { out }),
    ...(key !== undefined && { key }),
    ...(as !== undefined && { as }),
  }
}

function say({ out }: Invocation, created: Created): void {
  const { kind, id, version, kid, enrolment } = created
  out.result({ ok: true, ...created }, [
    `${kind} ${id} filed, version ${version}`,
    ...(kid === undefined ? [] : [`  key ${kid}`]),
    ...(enrolment === undefined ? [] : [`  enrolment package ${enrolment}`]),
  ])
}

/** `writ agent|gateway|device|approver|operator create` */
export function addIdentityCommands(program: Command, act: Act): void {
  const agent = program.command('agent').description('Programs that ask for actions.')
  common(agent.command('create <id>').description('enrol an agent and file its ceiling'), true)
    .requiredOption('--users <users>', 'users it may act for, comma separated', list)
    .requiredOption('--actions <actions>', 'actions it may ever ask for', list)
    .requiredOption('--groups <groups>', 'device groups it may ever reach', list)
    .option('--unfinished-max <n>', 'unfinished intents at a time', wholeNumber)
    .option('--per-minute-max <n>', 'intents a minute', wholeNumber)
    .addHelpText(
      'after',
      '\nExample:\n  writ agent create maintenance --users u-anna --actions restart,telemetry-read --groups press-hall --out agents/maintenance',
    )
    .action(act((invocation, id, options) => createAgent(invocation, id, options as AgentOptions)))
  const gateway = program.command('gateway').description('Edge gateways that act.')
  common(gateway.command('create <id>').description('enrol a gateway, with its plan consumer'), true)
    .requiredOption('--jurisdiction <region>', 'where it stands: the plane’s region')
    .action(
      act((invocation, id, options) => createGateway(invocation, id, options as Common & { jurisdiction: string })),
    )
  const device = program.command('device').description('What gateways act on.')
  common(device.command('create <id>').description('file a device: no key, no package'), false)
    .option('--gateway <id>', 'the gateway that reaches it')
    .requiredOption('--group <group>', 'its group')
    .requiredOption('--jurisdiction <region>', 'where it stands: the plane’s region')
    .requiredOption('--actions <actions>', 'actions it can do', list)
    .option('--floors <file>', 'JSON: approvals and attestation that its actions need whatever policy says')
    .action(act((invocation, id, options) => fileDevice(invocation, id, options as DeviceOptions)))
  const approver = program.command('approver').description('People who approve.')
  common(approver.command('create <id>').description('enrol an approver'), true)
    .requiredOption('--user <user>', 'the person')
    .requiredOption('--roles <roles>', 'roles they approve in', list)
    .action(
      act((invocation, id, options) =>
        createApprover(invocation, id, options as Common & { user: string; roles: string[] }),
      ),
    )
  const operator = program.command('operator').description('People who operate the plane.')
  common(operator.command('create <id>').description('enrol an operator; a root operator signs'), true)
    .requiredOption('--user <user>', 'the person')
    .action(act((invocation, id, options) => createOperator(invocation, id, options as Common & { user: string })))
}

interface AgentOptions extends Common {
  readonly users: string[]
  readonly actions: string[]
  readonly groups: string[]
  readonly unfinishedMax?: number
  readonly perMinuteMax?: number
}

async function createAgent(invocation: Invocation, id: unknown, options: AgentOptions): Promise<void> {
  const { users, actions, groups, unfinishedMax, perMinuteMax } = options
  const context = await openContext(invocation.home)
  const created = await createIdentity(context, 'agent', optionsFor(id, options), (keys) => ({
    keys,
    users,
    actions,
    groups,
    ...(unfinishedMax !== undefined && { unfinished_max: unfinishedMax }),
    ...(perMinuteMax !== undefined && { per_minute_max: perMinuteMax }),
  }))
  say(invocation, created)
}

async function createGateway(
  invocation: Invocation,
  id: unknown,
  options: Common & { jurisdiction: string },
): Promise<void> {
  const context = await openContext(invocation.home)
  const { jurisdiction } = options
  say(invocation, await createIdentity(context, 'gateway', optionsFor(id, options), (keys) => ({ keys, jurisdiction })))
}

async function createApprover(
  invocation: Invocation,
  id: unknown,
  options: Common & { user: string; roles: string[] },
): Promise<void> {
  const context = await openContext(invocation.home)
  const { user, roles } = options
  say(invocation, await createIdentity(context, 'approver', optionsFor(id, options), (keys) => ({ keys, user, roles })))
}

async function createOperator(invocation: Invocation, id: unknown, options: Common & { user: string }): Promise<void> {
  const context = await openContext(invocation.home)
  const { user } = options
  say(invocation, await createIdentity(context, 'operator', optionsFor(id, options), (keys) => ({ keys, user })))
}

interface DeviceOptions extends Common {
  readonly gateway?: string
  readonly group: string
  readonly jurisdiction: string
  readonly actions: string[]
  readonly floors?: string
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
  const context = await openContext(invocation.home)
  say(invocation, await createDevice(context, optionsFor(id, options), record))
}

async function readFloors(path: string): Promise<NonNullable<DeviceRecord['floors']>> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as NonNullable<DeviceRecord['floors']>
  } catch (cause) {
    throw new Fault('malformed', { message: `${path} holds no JSON.`, cause })
  }
}
