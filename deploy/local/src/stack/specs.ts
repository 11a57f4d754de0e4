import { randomBytes } from 'node:crypto'
import { mkdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileDurably } from '@writ/durable'
import { type Plane, serverConfig } from '@writ/plane'
import type { LocalStore } from './local-store.ts'
import type { LocalPaths } from './paths.ts'
import type { Ports } from './ports.ts'
import { answersOk, redisAnswers } from './ready.ts'
import type { ProcessSpec } from './supervisor.ts'

/** Services of the local stack, in the order in which they are started; they may be restarted in any order. */
export const LOCAL_ROLES = ['audit-sink', 'intent-gateway', 'policy-evaluator', 'token-issuer'] as const
export type LocalRole = (typeof LOCAL_ROLES)[number]
/** Replicas are numbered, as in a StatefulSet; the local stack has one of each. */
export const INSTANCE = '0'

export interface Programs {
  readonly nats: string
  readonly redis: string
  /** The repository's root. */
  readonly root: string
  /** What every child may see of the environment. */
  readonly env: Readonly<Record<string, string>>
  /** What services may see beyond that: the way to a KMS or a bucket, as the AWS SDK reads it, and which device belongs to which region. */
  readonly forServices: Readonly<Record<string, string>>
}

const SERVER_WITHIN_MS = 20_000
const SERVICE_WITHIN_MS = 30_000

export async function natsSpec(
  plane: Plane,
  paths: LocalPaths,
  ports: Ports,
  { nats, env }: Programs,
): Promise<ProcessSpec> {
  await mkdir(paths.nats, { recursive: true, mode: 0o700 })
  const config = await serverConfig(plane, {
    dataDir: paths.nats,
    port: ports.nats,
    monitorPort: ports['nats-monitor'],
  })
  await writeFileDurably(paths.natsConfig, config)
  return {
    name: 'nats-server',
    command: nats,
    args: ['-c', paths.natsConfig],
    env,
    logFile: paths.log('nats-server'),
    ready: (signal) => answersOk(`http://127.0.0.1:${ports['nats-monitor']}/healthz`, signal),
    readyWithinMs: SERVER_WITHIN_MS,
  }
}

/** Redis without files, with a password that only token-issuer is given. */
export async function redisSpec(
  paths: LocalPaths,
  ports: Ports,
  { redis, env }: Programs,
): Promise<{ spec: ProcessSpec; url: string }> {
  await mkdir(paths.redis, { recursive: true, mode: 0o700 })
  const passwordFile = join(paths.redis, 'password')
  const password = await readFile(passwordFile, 'utf8').catch(async () => {
    const made = randomBytes(24).toString('base64url')
    await writeFileDurably(passwordFile, made)
    return made
  })
  const config = join(paths.redis, 'redis.conf')
  const lines = [
    'bind 127.0.0.1',
    `port ${ports.redis}`,
    `requirepass ${password}`,
    `dir ${JSON.stringify(paths.redis)}`,
    // Tokens name users, and what token-issuer misses here it rebuilds from the bucket `uses`: nothing of them goes to a disk.
    'appendonly no',
    'save ""',
    'daemonize no',
  ]
  await writeFileDurably(config, `${lines.join('\n')}\n`)
  const spec: ProcessSpec = {
    name: 'redis-server',
    command: redis,
    args: [config],
    env,
    logFile: paths.log('redis-server'),
    ready: (signal) => redisAnswers(ports.redis, signal),
    readyWithinMs: SERVER_WITHIN_MS,
  }
  return { spec, url: `redis://:${password}@127.0.0.1:${ports.redis}` }
}

export const healthUrl = (ports: Ports, role: LocalRole): string => `http://127.0.0.1:${ports[role]}`

export interface ServiceSettings {
  readonly plane: Plane
  readonly redisUrl: string
  readonly store: LocalStore
}

export function serviceSpec(
  role: LocalRole,
  paths: LocalPaths,
  ports: Ports,
  programs: Programs,
  { plane, redisUrl, store }: ServiceSettings,
): ProcessSpec {
  const { references } = plane
  const own: Record<LocalRole, Record<string, string>> = {
    'audit-sink': {
      WRIT_STORE: store.url,
      ...store.settings,
      WRIT_LOG_KEY: references.log,
      ...(references.cosign !== undefined && { WRIT_COSIGN_KEY: references.cosign }),
      WRIT_LOG_DOMAIN: LOG_DOMAIN,
      WRIT_SEAL_MS: '1000',
    },
    'intent-gateway': { WRIT_WRAP_KEY: references.wrap, WRIT_STORE: store.url },
    'policy-evaluator': {},
    'token-issuer': { WRIT_REDIS_URL: redisUrl },
  }
  return {
    name: role,
    command: process.execPath,
    args: ['--enable-source-maps', join(programs.root, 'services', role, 'dist', 'main.js')],
    env: {
      ...programs.env,
      ...programs.forServices,
      WRIT_MODE: 'production',
      WRIT_ENROLMENT: join(paths.service(role, INSTANCE), 'enrolment.json'),
      WRIT_STATE_DIR: paths.state(`${role}-${INSTANCE}`),
      WRIT_ANCHOR_KEY: references.anchor(role),
      WRIT_HEALTH_PORT: String(ports[role]),
      WRIT_NATS_MONITOR: `http://127.0.0.1:${ports['nats-monitor']}`,
      ...own[role],
    },
    logFile: paths.log(role),
    ready: (signal) => answersOk(`${healthUrl(ports, role)}/readyz`, signal),
    readyWithinMs: SERVICE_WITHIN_MS,
  }
}

/** The local plane's log is `writ.local/<region>/<epoch>`. */
export const LOG_DOMAIN = 'writ.local'

/** A gateway has no port: its log says when it is ready. */
export async function gatewaySpec(gatewayId: string, paths: LocalPaths, { root, env }: Programs): Promise<ProcessSpec> {
  const before = await stat(paths.log(gatewayId)).then(
    ({ size }) => size,
    () => 0,
  )
  const folder = join(paths.plant, gatewayId)
  return {
    name: gatewayId,
    command: process.execPath,
    args: [
      '--enable-source-maps',
      join(root, 'examples', 'pilot-plant', 'dist', 'main.js'),
      '--gateway',
      gatewayId,
      '--enrolment',
      paths.identity('gateway', gatewayId),
      '--state',
      folder,
    ],
    env,
    logFile: paths.log(gatewayId),
    ready: () => saysReady(paths.log(gatewayId), before),
    readyWithinMs: SERVER_WITHIN_MS,
  }
}

async function saysReady(logFile: string, fromByte: number): Promise<void> {
  const log = await readFile(logFile)
  if (!log.subarray(fromByte).includes('"ready":true'))
    throw new Error(`${logFile} does not say that the gateway is ready.`)
}
