import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Agent, connectAgent } from '@writ/agent-sdk'
import { ensureRecord, publishBundle } from '@writ/cli'
import type { PublicJwk, RecordOf } from '@writ/contracts'
import { type LOCAL_ROLES, type ProcessSpec, type Stack, startStack } from '@writ/local'
import { enrol } from '@writ/plane'
import { openBundle } from '@writ/policy'
import { type Approver, openApprover } from '../support/approver.ts'
import { REGION, root } from '../support/local-stack.ts'
import { committedBundle, variantOf } from '../support/policy-variants.ts'
import { type StallableProxy, startProxy } from '../support/stallable-proxy.ts'
import { DEVICES, GATEWAYS } from './schedule.ts'

export const AGENT = 'crew'
const USER = 'u-anna'
const ACTIONS = ['telemetry-read', 'config-change', 'restart']
const REASON = 'A run under faults.'
const GATEWAY_PROGRAM = fileURLToPath(new URL('gateway.mjs', import.meta.url))

/** The real processes, each with a line of its own to the bus, and small gateways whose devices write down what they begin. */
export interface Plant extends AsyncDisposable {
  readonly home: string
  readonly stack: Stack
  readonly agent: Agent
  readonly approver: Approver
  /** What the stack said. */
  readonly said: readonly string[]
  /** Lines to the bus by process; `redis-server`: token-issuer's line to Redis. */
  readonly lines: ReadonlyMap<string, StallableProxy>
  readonly redisUrl: string
  /** Resolves when a process that was started again can do its work. */
  untilReady(name: string): Promise<void>
  /** Starts another instance of a service beside the first, and waits until it is ready. Returns its name. */
  startReplica(role: (typeof LOCAL_ROLES)[number], instance: string, healthPort: number): Promise<string>
  effectsFile(gatewayId: string): string
  /** Makes the policy active that is not: the supplied one, or one that decides the same. */
  otherPolicy(): Promise<void>
  readonly user: string
}

export async function startPlant(name: string): Promise<Plant> {
  const home = await mkdtemp(join(tmpdir(), `writ-${name}-`))
  const opened: AsyncDisposable[] = [{ [Symbol.asyncDispose]: () => rm(home, { recursive: true, force: true }) }]
  const dispose = async () => {
    for (const each of opened.splice(0).toReversed()) await each[Symbol.asyncDispose]()
  }
  try {
    return await open(home, opened, dispose)
  } catch (error) {
    await dispose()
    throw error
  }
}

async function open(home: string, opened: AsyncDisposable[], dispose: () => Promise<void>): Promise<Plant> {
  const own = <T extends AsyncDisposable>(each: T): T => {
    opened.push(each)
    return each
  }
  const said: string[] = []
  const lines = new Map<string, StallableProxy>()
  const specs = new Map<string, ProcessSpec>()
  const around = async (plain: ProcessSpec): Promise<ProcessSpec> => {
    const spec = await withLines(plain, home, async (line, target) => {
      const proxy = own(await startProxy(target))
      lines.set(line, proxy)
      return proxy.port
    })
    // Its append-only file is what `roll-back` goes back to.
    const kept = spec.name === 'redis-server' ? { ...spec, args: [...spec.args, '--appendonly', 'yes'] } : spec
    specs.set(kept.name, kept)
    return kept
  }
  const env = { ...process.env }
  const stack = own(await startStack({ home, root, env, region: REGION, log: (line) => void said.push(line), around }))
  const policies = [committedBundle, variantOf('data.json', 'config.bounds.cycle_ms.max', 20_000)]
  const otherPolicy = async (): Promise<void> => {
    const [next = committedBundle] = policies
    await publishBundle(stack.operator, next, openBundle(next).revision, REASON)
    policies.reverse()
  }
  await otherPolicy()
  await enrolAll(stack)
  await stack.untilReady()
  const effectsFile = (id: string): string => join(home, 'effects', `${id}.jsonl`)
  await mkdir(join(home, 'effects'))
  await Promise.all(GATEWAYS.map((id) => stack.supervise(gatewaySpec(stack, home, id, effectsFile(id)))))
  const { redis_url } = JSON.parse(await readFile(stack.paths.localJson, 'utf8')) as { redis_url: string }
  return {
    home,
    stack,
    said,
    lines,
    user: USER,
    redisUrl: redis_url,
    agent: own(await connectAgent({ enrolment: stack.paths.identity('agent', AGENT) })),
    approver: own(await openApprover(stack.paths.identity('approver', 'marta'))),
    untilReady: (process) => readyAgain(specs, process),
    startReplica: (role, instance, port) => startReplica(stack, role, instance, port),
    effectsFile,
    otherPolicy,
    [Symbol.asyncDispose]: dispose,
  }
}

/** The process as before, but its way to NATS, and to Redis, goes over lines that can be cut. */
async function withLines(
  spec: ProcessSpec,
  home: string,
  line: (name: string, target: { host: string; port: number }) => Promise<number>,
): Promise<ProcessSpec> {
  const { WRIT_ENROLMENT: file, WRIT_REDIS_URL: redis } = spec.env
  if (file === undefined) return spec
  const text = JSON.parse(await readFile(file, 'utf8')) as { nats_url: string; credentials_file: string }
  const over = async (name: string, url: string): Promise<string> => {
    const at = new URL(url)
    at.port = String(await line(name, { host: at.hostname, port: Number(at.port) }))
    return at.href
  }
  const own = join(home, 'lines', spec.name, 'enrolment.json')
  await mkdir(dirname(own), { recursive: true, mode: 0o700 })
  const credentials_file = join(dirname(file), text.credentials_file)
  const nats_url = (await over(spec.name, text.nats_url)).replace(/\/$/, '')
  await writeFile(own, JSON.stringify({ ...text, nats_url, credentials_file }), { mode: 0o600 })
  const redisName = spec.name === 'token-issuer' ? 'redis-server' : `redis-server of ${spec.name}`
  return {
    ...spec,
    args: spec.args.map((arg) => (arg === dirname(file) ? dirname(own) : arg)),
    env: {
      ...spec.env,
      WRIT_ENROLMENT: own,
      ...(redis !== undefined && { WRIT_REDIS_URL: await over(redisName, redis) }),
    },
  }
}

async function enrolAll(stack: Stack): Promise<void> {
  const { plane, paths, operator } = stack
  const record = async <K extends 'gateway' | 'agent' | 'approver'>(
    kind: K,
    id: string,
    made: (keys: PublicJwk[]) => RecordOf<K>,
  ): Promise<void> => {
    const { publicKey } = await enrol(plane, { kind, id, outDir: paths.identity(kind, id), key: 'ES256' })
    if (publicKey === undefined) throw new Error('an enrolment package has a key')
    await ensureRecord(operator, { kind, id, record: made([publicKey]), reason: REASON })
  }
  for (const id of GATEWAYS) await record('gateway', id, (keys) => ({ keys, jurisdiction: plane.region }))
  for (const [gateway_id, devices] of Object.entries(DEVICES)) {
    for (const id of devices) {
      const floors = { restart: { approvals: { count: 1, roles: ['plant-manager'] } } }
      const device = {
        ...{ gateway_id, group: 'press-hall', jurisdiction: plane.region, actions: ACTIONS },
        ...(id.endsWith('guarded') && { floors }),
      }
      await ensureRecord(operator, { kind: 'device', id, record: device, reason: REASON })
    }
  }
  const ceiling = { users: [USER], actions: ACTIONS, groups: ['press-hall'], unfinished_max: 1000 }
  await record('agent', AGENT, (keys) => ({ keys, ...ceiling }))
  await record('approver', 'marta', (keys) => ({ keys, user: 'u-marta', roles: ['plant-manager'] }))
}

function gatewaySpec({ paths, pidOf }: Stack, home: string, id: string, effects: string): ProcessSpec {
  const ready = join(home, 'effects', `${id}.ready`)
  const enrolment = paths.identity('gateway', id)
  const key = join(enrolment, 'key.jwk')
  const settings = { key, state: paths.state(id), effects, ready, devices: DEVICES[id] ?? [] }
  return {
    name: id,
    command: process.execPath,
    args: [GATEWAY_PROGRAM, enrolment, JSON.stringify(settings)],
    env: { WRIT_ENROLMENT: join(enrolment, 'enrolment.json'), PATH: process.env['PATH'] ?? '' },
    logFile: paths.log(id),
    ready: async () => {
      if (Number(await readFile(ready, 'utf8')) !== pidOf(id)) throw new Error(`${id} is not ready.`)
    },
    readyWithinMs: 30_000,
  }
}

async function startReplica(
  { plane, paths, supervise, serviceSpec }: Stack,
  role: (typeof LOCAL_ROLES)[number],
  instance: string,
  healthPort: number,
): Promise<string> {
  const name = `${role}-${instance}`
  await enrol(plane, { kind: role, id: instance, outDir: paths.service(role, instance) })
  const first = serviceSpec(role)
  await supervise({
    ...first,
    name,
    env: {
      ...first.env,
      WRIT_ENROLMENT: join(paths.service(role, instance), 'enrolment.json'),
      WRIT_STATE_DIR: paths.state(name),
      WRIT_HEALTH_PORT: String(healthPort),
    },
    logFile: paths.log(name),
    ready: async (signal) => {
      const response = await fetch(`http://127.0.0.1:${healthPort}/readyz`, { signal })
      if (!response.ok) throw new Error(`${name} answers ${response.status}`)
    },
  })
  return name
}

async function readyAgain(specs: ReadonlyMap<string, ProcessSpec>, name: string): Promise<void> {
  const spec = specs.get(name)
  if (spec === undefined) throw new Error(`${name} is no process of the plant`)
  for (const until = performance.now() + 60_000; ; ) {
    try {
      await spec.ready(AbortSignal.timeout(2000))
      return
    } catch (error) {
      if (performance.now() > until) throw new Error(`${name} does not become ready`, { cause: error })
      await new Promise((resolve) => setTimeout(resolve, 25))
    }
  }
}
