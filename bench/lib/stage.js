import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { built, readJson } from './built.js'
import { freePort } from './free-port.js'

const REGION = 'eusc-de-east-1'
const AGENTS = 8
const DEVICES = 32
/** @type {readonly { id: string, group: string }[]} */
const GATEWAYS = [
  { id: 'gw-press-hall', group: 'press-hall' },
  { id: 'gw-packaging', group: 'packaging' },
]
const ACTION = 'telemetry-read'

/**
 * The measured system: the local stack with its supervisor, further replicas of the services, a plant of two gateways with 32 devices
 * each, and the load generator, each a process of its own.
 *
 * @param {{ root: string, replicas: number, log: (line: string) => void, hook?: { folder: string, profile: boolean } }} options
 */
export async function openStage(options) {
  const { root, replicas, log } = options
  const home = await mkdtemp(join(tmpdir(), 'writ-bench-'))
  /** @type {(() => Promise<unknown>)[]} */
  const closers = [() => rm(home, { recursive: true, force: true })]
  const close = async () => {
    for (const closer of closers.splice(0).toReversed()) await closer()
  }
  try {
    const hooked = options.hook === undefined ? [] : [hookOption(root, options.hook)]
    const env = { ...process.env, ...(hooked.length > 0 && { NODE_OPTIONS: hooked.join(' ') }) }
    const { startStack } = await built(root, 'deploy/local', 'stack/stack.js')
    const stack = await startStack({ home, root, env, region: REGION, log })
    closers.push(() => stack[Symbol.asyncDispose]())
    const { LOCAL_ROLES } = await built(root, 'deploy/local', 'stack/specs.js')
    await prepare(stack, root)
    await stack.untilReady()
    /** @type {Map<string, number>} */
    const pids = new Map(
      [...LOCAL_ROLES, 'nats-server', 'redis-server'].map((/** @type {string} */ name) => [name, stack.pidOf(name)]),
    )
    for (let n = 1; n < replicas; n++)
      for (const role of LOCAL_ROLES) pids.set(`${role}-${n}`, await startReplica(stack, root, env, role, n, closers))
    /** @type {import('node:child_process').ChildProcess[]} */
    const gateways = []
    for (const { id, group } of GATEWAYS) {
      const flags = [
        '--enrolment',
        join(stack.paths.identity('gateway', id), 'enrolment.json'),
        '--state',
        join(home, id),
      ]
      const child = start('plant.js', ['--root', root, ...flags, '--devices', devicesOf(group).join()], env)
      closers.push(() => ended(child))
      gateways.push(child)
      pids.set(id, child.pid ?? 0)
    }
    const agents = agentIds().map((id) => stack.paths.identity('agent', id))
    const devices = GATEWAYS.flatMap(({ group }) => devicesOf(group)).toSorted(alternating)
    const load = start('load.js', ['--root', root, '--agents', agents.join(), '--devices', devices.join()], env)
    closers.push(() => ended(load))
    pids.set('load generator', load.pid ?? 0)
    await Promise.all([...gateways, load].map((child) => once(child, 'message')))
    const ports = await readJson(stack.paths.ports)
    return { root, home, stack, pids, gateways, load, monitor: `http://127.0.0.1:${ports['nats-monitor']}`, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** @typedef {Awaited<ReturnType<typeof openStage>>} Stage */

const agentIds = () => Array.from({ length: AGENTS }, (_, n) => `bench-${n}`)
const devicesOf = (/** @type {string} */ group) => Array.from({ length: DEVICES }, (_, n) => `${group}-${n}`)
/** The devices of the two gateways in turn. */
const alternating = (/** @type {string} */ a, /** @type {string} */ b) =>
  Number(a.slice(a.lastIndexOf('-') + 1)) - Number(b.slice(b.lastIndexOf('-') + 1)) || a.localeCompare(b)

/**
 * @param {string} root
 * @param {{ folder: string, profile: boolean }} hook
 */
function hookOption(root, { folder, profile }) {
  const url = new URL('hook.js', import.meta.url)
  url.searchParams.set('folder', folder)
  url.searchParams.set('root', root)
  if (profile) url.searchParams.set('profile', '1')
  return `--import=${url.href}`
}

/**
 * @param {string} file
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} env
 */
function start(file, args, env) {
  return fork(fileURLToPath(new URL(`../${file}`, import.meta.url)), args, { env, serialization: 'advanced' })
}

/** @param {import('node:child_process').ChildProcess} child */
async function ended(child) {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.disconnect()
  const timer = setTimeout(() => child.kill('SIGKILL'), 10_000)
  await exited
  clearTimeout(timer)
}

/** Policy, gateways, devices and agents. @param {any} stack @param {string} root */
async function prepare(stack, root) {
  const { readFile } = await import('node:fs/promises')
  const { ensureRecord, publishBundle } = await built(root, 'packages/cli')
  const { enrol } = await built(root, 'packages/plane')
  const { openBundle } = await built(root, 'packages/policy')
  const { operator, plane, paths } = stack
  const bundle = await readFile(join(root, 'policies', 'bundle', 'bundle.tar.gz'))
  await publishBundle(operator, bundle, openBundle(bundle).revision, 'The supplied policies.')
  const reason = 'The benchmark.'
  const enrolled = async (/** @type {string} */ kind, /** @type {string} */ id, /** @type {object} */ record) => {
    const { publicKey } = await enrol(plane, { kind, id, outDir: paths.identity(kind, id), key: 'ES256' })
    await ensureRecord(operator, { kind, id, record: { keys: [publicKey], ...record }, reason })
  }
  for (const { id } of GATEWAYS) await enrolled('gateway', id, { jurisdiction: REGION })
  for (const { id: gateway_id, group } of GATEWAYS)
    for (const id of devicesOf(group))
      await ensureRecord(operator, {
        kind: 'device',
        id,
        record: { gateway_id, group, jurisdiction: REGION, actions: [ACTION] },
        reason,
      })
  const groups = GATEWAYS.map(({ group }) => group)
  for (const id of agentIds())
    await enrolled('agent', id, { users: ['u-bench'], actions: [ACTION], groups, unfinished_max: 10_000 })
}

/**
 * @param {any} stack
 * @param {string} root
 * @param {NodeJS.ProcessEnv} env
 * @param {string} role
 * @param {number} n
 * @param {(() => Promise<unknown>)[]} closers
 * @returns {Promise<number>}
 */
async function startReplica(stack, root, env, role, n, closers) {
  const { serviceSpec } = await built(root, 'deploy/local', 'stack/specs.js')
  const { Supervised } = await built(root, 'deploy/local', 'stack/supervisor.js')
  const { ProcessFile } = await built(root, 'deploy/local', 'stack/left-over.js')
  const { answersOk } = await built(root, 'deploy/local', 'stack/ready.js')
  const { enrol } = await built(root, 'packages/plane')
  const { plane, paths } = stack
  const outDir = paths.service(role, String(n))
  await enrol(plane, { kind: role, id: String(n), outDir })
  const { redis_url: redisUrl } = await readJson(paths.localJson)
  const ports = { ...(await readJson(paths.ports)), [role]: await freePort() }
  const passed = {
    PATH: env['PATH'],
    HOME: env['HOME'],
    ...(env['NODE_OPTIONS'] && { NODE_OPTIONS: env['NODE_OPTIONS'] }),
  }
  const spec = serviceSpec(role, paths, ports, { root, env: passed }, { plane, redisUrl })
  const replica = {
    ...spec,
    name: `${role}-${n}`,
    logFile: paths.log(`${role}-${n}`),
    env: {
      ...spec.env,
      WRIT_ENROLMENT: join(outDir, 'enrolment.json'),
      WRIT_STATE_DIR: paths.state(`${role}-${n}`),
    },
    ready: (/** @type {AbortSignal} */ signal) => answersOk(`http://127.0.0.1:${ports[role]}/readyz`, signal),
  }
  const supervised = new Supervised(
    replica,
    new ProcessFile(join(paths.root, `processes-${role}-${n}.json`)),
    () => undefined,
  )
  closers.push(() => supervised[Symbol.asyncDispose]())
  await supervised.start(true)
  return supervised.pid
}
