import { randomUUID } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { openSession, type Session } from '@writ/agent-sdk'
import { epochOf, originOf } from '@writ/audit'
import { publishControl } from '@writ/cli'
import { lockDirectory, writeFileDurably } from '@writ/durable'
import {
  connectStore,
  createPlane,
  enrol,
  ensureStreams,
  type KeyReferences,
  openPlane,
  type Plane,
  planePaths,
} from '@writ/plane'
import { resolveTool } from '@writ/tools'
import { ProcessFile } from './left-over.ts'
import { type LocalStore, openLocalStore } from './local-store.ts'
import { type LocalPaths, localPaths } from './paths.ts'
import { type Ports, portsOf } from './ports.ts'
import {
  gatewaySpec,
  healthUrl,
  INSTANCE,
  LOCAL_ROLES,
  LOG_DOMAIN,
  type LocalRole,
  natsSpec,
  type Programs,
  redisSpec,
  type ServiceSettings,
  serviceSpec,
} from './specs.ts'
import { type ProcessSpec, Supervised } from './supervisor.ts'

export interface StackOptions {
  /** The folder that keeps everything, `.writ` of the repository. */
  readonly home: string
  /** The repository's root, where the built services lie. */
  readonly root: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly region: string
  /** Keys of a new plane that are not to be files of it. */
  readonly keys?: KeyReferences
  /** One line for a person: what takes long. */
  readonly log: (line: string) => void
  /** Changes how a process is started: a test lays a line that it can cut between that process and the bus. */
  readonly around?: (spec: ProcessSpec) => Promise<ProcessSpec>
}

/** The real thing on one machine: NATS, Redis and each service as a process of its own, stopped together. */
export interface Stack extends AsyncDisposable {
  readonly paths: LocalPaths
  readonly plane: Plane
  /** Where its log lies. */
  readonly store: LocalStore
  /** Connected as the root operator. */
  readonly operator: Session
  readonly healthUrls: Readonly<Record<LocalRole, string>>
  /** Waits until every service says that it is ready. */
  untilReady(): Promise<void>
  startGateway(gatewayId: string): Promise<void>
  /** Keeps another process running beside those of the stack, until the stack stops: a second replica. */
  supervise(spec: ProcessSpec): Promise<void>
  /** How a service is started: what a second replica is made from. */
  serviceSpec(role: LocalRole): ProcessSpec
  /** A running process, for tests that kill it. */
  pidOf(name: string): number | undefined
}

/** Starts the stack from what `home` holds, or makes it. Whatever was started is stopped again when this throws. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const started: AsyncDisposable[] = []
  try {
    return await start(options, started)
  } catch (error) {
    await stopAll(started)
    throw error
  }
}

async function stopAll(started: readonly AsyncDisposable[]): Promise<void> {
  for (const each of started.toReversed()) await each[Symbol.asyncDispose]()
}

async function start(options: StackOptions, started: AsyncDisposable[]): Promise<Stack> {
  const { home, log } = options
  const paths = localPaths(home)
  await mkdir(home, { recursive: true, mode: 0o700 })
  started.push(await lockDirectory(home))
  const file = new ProcessFile(paths.processes)
  const left = await file.endLeftOvers()
  if (left.length > 0) log(`Stopped what an earlier start had left running: ${left.join(', ')}.`)
  const ports = await portsOf(paths.ports)
  const programs = await findPrograms(options)
  const store = await openLocalStore(paths, options.env)
  if (store.url.startsWith('s3:')) log(`The evidence is written to ${store.url}, under its Object Lock.`)

  const running = new Map<string, Supervised>()
  const supervise = async (plain: ProcessSpec, wait: boolean): Promise<void> => {
    const spec = (await options.around?.(plain)) ?? plain
    const supervised = new Supervised(spec, file, (name) => log(`${name} ended by itself and is started again.`))
    running.set(spec.name, supervised)
    started.push(supervised)
    await supervised.start(wait)
  }

  const plane = await makePlane(paths, ports, options)
  log('Starting NATS and Redis …')
  const redis = await redisSpec(paths, ports, programs)
  await Promise.all([supervise(await natsSpec(plane, paths, ports, programs), true), supervise(redis.spec, true)])
  await prepareStreams(plane)
  const operator = await openSession({ enrolment: planePaths(plane.dir).rootOperator })
  started.push(operator)
  await ensureGenesis(operator)
  log('Starting the services …')
  const settings = { plane, redisUrl: redis.url, store }
  for (const role of LOCAL_ROLES)
    await enrol(plane, { kind: role, id: INSTANCE, outDir: paths.service(role, INSTANCE) })
  const specOf = (role: LocalRole): ProcessSpec => serviceSpec(role, paths, ports, programs, settings)
  await Promise.all(LOCAL_ROLES.map((role) => supervise(specOf(role), role === 'intent-gateway')))
  await writeLocalFile(paths, ports, settings)
  return {
    paths,
    store,
    plane,
    operator,
    healthUrls: Object.fromEntries(LOCAL_ROLES.map((role) => [role, healthUrl(ports, role)])) as Record<
      LocalRole,
      string
    >,
    untilReady: async () => {
      for (const role of LOCAL_ROLES) await running.get(role)?.untilReady()
    },
    supervise: (spec) => supervise(spec, true),
    serviceSpec: specOf,
    startGateway: async (gatewayId) => supervise(await gatewaySpec(gatewayId, paths, programs), true),
    pidOf: (name) => running.get(name)?.pid,
    [Symbol.asyncDispose]: () => stopAll(started.splice(0)),
  }
}

/** Beside the AWS SDK's own. */
const FOR_SERVICES = ['WRIT_DIRECTORY', 'WRIT_RESIDENCY', 'WRIT_WITNESS_POLICY']
const PASSED = ['PATH', 'HOME', 'LANG', 'TZ', 'TMPDIR', 'NODE_OPTIONS']

async function findPrograms({ root, env, log }: StackOptions): Promise<Programs> {
  const tools = { env, log }
  const nats = await resolveTool('nats-server', tools)
  const redis = await resolveTool('redis-server', tools)
  const given = Object.entries(env).filter((pair): pair is [string, string] => pair[1] !== undefined)
  const passed = given.filter(([name]) => PASSED.includes(name) || name.startsWith('OTEL_'))
  const forServices = given.filter(([name]) => name.startsWith('AWS_') || FOR_SERVICES.includes(name))
  const [passedOn, more] = [Object.fromEntries(passed), Object.fromEntries(forServices)]
  return { nats: nats.path, redis: redis.path, root, env: passedOn, forServices: more }
}

/** The plane of this folder; the log is named for the half-year in which the plane was made. */
async function makePlane(paths: LocalPaths, ports: Ports, { region, keys }: StackOptions): Promise<Plane> {
  const known = await openPlane(paths.plane).catch(() => undefined)
  const logName = known?.logName ?? originOf({ domain: LOG_DOMAIN, region }, epochOf(new Date()))
  return createPlane({
    dir: paths.plane,
    region: known?.region ?? region,
    natsUrl: `nats://127.0.0.1:${ports.nats}`,
    logName,
    ...(keys !== undefined && { keys }),
  })
}

async function prepareStreams(plane: Plane): Promise<void> {
  const store = await connectStore(plane, { waitMs: 10_000 })
  try {
    await ensureStreams(store, { region: plane.region })
  } finally {
    await store.close()
  }
}

async function ensureGenesis(operator: Session): Promise<void> {
  await operator.reader.control()
  if (operator.authority.control.stream !== undefined) return
  await publishControl(operator, { command: 'genesis', stream: randomUUID() }, 'The local plane begins.')
  await operator.reader.control()
}

async function writeLocalFile(
  paths: LocalPaths,
  ports: Ports,
  { plane, redisUrl, store }: ServiceSettings,
): Promise<void> {
  const root = planePaths(plane.dir)
  const { operators, anchors } = plane.trust
  const local = {
    nats_url: plane.natsUrl,
    redis_url: redisUrl,
    region: plane.region,
    trust: { operators, anchors },
    store: store.url,
    ...(store.dir !== undefined && { store_dir: store.dir }),
    log_origin: plane.logName,
    log_vkey: plane.logVkey,
    log_vkeys: plane.trust.log_vkeys,
    operator: {
      id: plane.rootOperatorId,
      key_file: root.rootOperatorKey,
      credentials_file: join(root.rootOperator, 'nats.creds'),
    },
    provisioning: { dir: plane.dir },
    services: Object.fromEntries(LOCAL_ROLES.map((role) => [role, { health_url: healthUrl(ports, role) }])),
  }
  await writeFileDurably(paths.localJson, `${JSON.stringify(local, null, 2)}\n`)
}
