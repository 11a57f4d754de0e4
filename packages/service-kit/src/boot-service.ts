import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { AuditSource, openLogCheckpoint, parseVkey } from '@writ/audit'
import { type Authority, createAuthority, openAnswer } from '@writ/authority'
import { type Bus, type BusStatus, connectBus } from '@writ/bus'
import { type Enrolment, isFault, type JsonObject, type ServiceRole, sealedMessage, subjects } from '@writ/contracts'
import { lockDirectory } from '@writ/durable'
import { isKmsReference, type KmsOptions, type Signer } from '@writ/keys'
import { startTracing } from '@writ/tracing'
import type { Registry } from 'prom-client'
import { assertFlushed, assertStreams } from './assert-streams.ts'
import { AuthorityFollower } from './authority-follower.ts'
import { measureAudit, measureAuthority, measureBus, measureHealth, measureTracing } from './common-metrics.ts'
import { positionFile } from './control-position.ts'
import { type Identity, openAnchor, readIdentity } from './enrolment.ts'
import { Health } from './health.ts'
import { startHealthServer } from './health-server.ts'
import { keyResidency } from './key-residency.ts'
import { measureKms } from './kms-metrics.ts'
import { createLogger, type Logger } from './logger.ts'
import { createMetrics } from './metrics.ts'
import { Operations } from './operations.ts'
import { type Persistence, persist } from './persist.ts'
import type { CommonConfig } from './read-env.ts'
import { RefusedFiles } from './refused-files.ts'
import { RefusedMessages } from './refused-messages.ts'
import { SigningKey } from './signing-key.ts'
import { StreamWatch } from './stream-watch.ts'
import type { Teardown } from './teardown.ts'

/** What a service is given to work with. Handlers take the parts they use, not the whole. */
export interface ServiceContext {
  readonly role: ServiceRole
  readonly instance: string
  readonly boot: string
  readonly region: string
  readonly enrolment: Enrolment
  /** Locked by this process, mode 0700. `audit/`, `refused/` and `control.json` in it are taken. */
  readonly stateDir: string
  readonly log: Logger
  readonly metrics: Registry
  /** Measures what handlers do. */
  readonly operations: Operations
  /** Add the service's own checks, then `teardown.use(health.open())` last of all. */
  readonly health: Health
  /** Base address of the health server. */
  readonly healthUrl: string
  readonly bus: Bus
  /** Endorsed, filed, read back. Throws Fault `unavailable` when its endorsement has expired. */
  readonly signer: Signer
  readonly authority: Authority
  readonly follower: AuthorityFollower
  /** `source.started` is durable, unless the service begins unrecorded. */
  readonly audit: AuditSource
  /** For messages that nobody known signed. */
  readonly refused: RefusedMessages
  readonly refusedFiles: RefusedFiles
  /** Opens a key of the service's own by its reference: waits for a KMS that does not answer, and throws at once what is wrong with a file. */
  readonly openKey: OpenKey
}

export type OpenKey = <T>(what: string, reference: string, open: (kms: KmsOptions) => Promise<T>) => Promise<T>

/** What there is before anything is asked of the bus. */
export interface EarlyContext {
  readonly region: string
  readonly log: Logger
  readonly metrics: Registry
  readonly health: Health
  /** Aborts when the process is to stop. */
  readonly signal: AbortSignal
  /** Also of keys that the jurisdiction does not take: whoever asks judges them. */
  readonly openKey: OpenKey
  /** Does a step again and again while it is `unavailable`; `what` is what readiness says meanwhile. */
  wait<T>(what: string, step: () => Promise<T>): Promise<T>
}

export interface BootOptions {
  /** Runs when the process is alive and nothing else has begun. What it returns goes into the `detail` of `source.started`. */
  readonly before?: (early: EarlyContext) => Promise<JsonObject>
  /** The service begins before `source.started` is durable: audit-sink, which makes the room that this waits for in a full stream. */
  readonly beginsUnrecorded?: boolean
}

/**
 * Brings a service from its files to the point where it may sign: directory locked, bus connected, streams as promised, registry and CONTROL
 * read and held against what was known, key endorsed and read back, `source.started` durable. Waits for what is not there yet (bus,
 * genesis); refuses, by throwing, what is wrong. Until `health.open()` the process is alive and not ready. Everything it starts is
 * released by `teardown`, and so is what the caller adds, first.
 */
export async function bootService(
  role: ServiceRole,
  config: CommonConfig,
  teardown: Teardown,
  signal: AbortSignal,
  { before, beginsUnrecorded = false }: BootOptions = {},
): Promise<ServiceContext> {
  const identity = await readIdentity(role, config.enrolmentFile)
  const { id: instance, region } = identity.enrolment
  const log = createLogger({ service: role, instance, level: config.logLevel })
  const metrics = createMetrics(role)
  measureTracing(metrics, teardown.use(await startTracing(config.tracing, { service: `writ-${role}`, instance })))
  const health = new Health()
  measureHealth(metrics, health)
  const server = teardown.use(
    await startHealthServer({ host: config.healthHost, port: config.healthPort, health, metrics }),
  )
  log.info({ url: server.url }, 'alive')
  teardown.use(await lockDirectory(config.stateDir))
  const boot = `${Date.now().toString(36)}-${randomBytes(6).toString('hex')}`
  const waiting = { signal, log, health }
  const accept = await keyResidency(config, region, log)
  const observer = measureKms(metrics)
  const started = await before?.({
    ...waiting,
    region,
    metrics,
    openKey: keyOpener(waiting, { observer }),
    wait: (what, step) => persist(waiting, what, step),
  })
  const start: Start = { role, config, identity, boot, waiting, ...(started !== undefined && { started }) }
  const openKey = keyOpener(waiting, { observer, accept })
  const anchor = await openKey('the anchor key', config.anchorKey, (kms) =>
    openAnchor(identity.enrolment, config.anchorKey, kms),
  )

  const bus = await openBus(start, teardown)
  const follower = await followAuthority(start, bus, teardown)
  const key = await endorsedKey(start, anchor, bus, follower, teardown)
  const audit = await openAudit(start, bus, follower, key, teardown)
  if (!beginsUnrecorded) await Promise.race([audit.started, aborted(signal)])
  const refused = teardown.use(new RefusedMessages({ record: (events) => audit.recordLater(events), metrics }))
  await listenToSeals(start, bus, audit, refused)
  measureBus(metrics, bus)
  measureAuthority(metrics, follower, key)
  measureAudit(metrics, audit)
  await teardown.use(new StreamWatch(bus, role, metrics)).look()
  log.info({ boot, kid: key.signer.kid }, 'started')
  return {
    role,
    instance,
    boot,
    region,
    enrolment: identity.enrolment,
    stateDir: config.stateDir,
    log,
    metrics,
    operations: new Operations(metrics),
    health,
    healthUrl: server.url,
    bus,
    signer: key.signer,
    authority: follower.authority,
    follower,
    audit,
    refused,
    refusedFiles: new RefusedFiles(config.stateDir, log),
    openKey,
  }
}

interface Start {
  readonly role: ServiceRole
  readonly config: CommonConfig
  readonly identity: Identity
  readonly boot: string
  readonly waiting: Persistence
  /** What else `source.started` says. */
  readonly started?: JsonObject
}

async function openBus({ role, config, identity, waiting }: Start, teardown: Teardown): Promise<Bus> {
  const { enrolment, credentials } = identity
  const { signal, log, health } = waiting
  health.starting('waiting for the bus')
  const bus = teardown.use(
    await connectBus({
      servers: enrolment.nats_url.split(','),
      credentials,
      region: enrolment.region,
      kind: role,
      id: enrolment.id,
      waitOnFirstConnect: true,
      signal,
      onStatus: (status) => logStatus(log, status),
    }),
  )
  health.check('bus', () => (bus.connected ? undefined : 'There is no connection to the message bus.'))
  const { natsMonitor } = config
  if (natsMonitor !== undefined) {
    await persist(waiting, 'asking whether the bus flushes', () => assertFlushed(natsMonitor, signal))
  }
  await persist(waiting, 'reading stream settings', () => assertStreams(bus, enrolment.region, config.replicas))
  return bus
}

function logStatus(log: Logger, status: BusStatus): void {
  const { type } = status
  if (type === 'error') log.warn({ err: status.error, subject: status.subject }, 'bus: error')
  else if (type === 'refused') log.error({ ...status }, 'bus: refused by the server')
  else if (type === 'unanswerable') log.warn({ ...status }, 'bus: a request that cannot be answered')
  else log.info(`bus: ${type}`)
}

async function followAuthority(
  { config, identity, waiting }: Start,
  bus: Bus,
  teardown: Teardown,
): Promise<AuthorityFollower> {
  const { region, trust, control: least } = identity.enrolment
  const follower = teardown.use(
    await AuthorityFollower.start({
      bus,
      authority: createAuthority(region, trust),
      position: positionFile(config.stateDir),
      ...(least !== undefined && { least }),
      report: (what, err) => waiting.log.warn({ err }, `cannot follow ${what}`),
    }),
  )
  waiting.health.check('control', () => follower.problem)
  await persist(waiting, 'reading records', async () => {
    await follower.signers()
    await follower.registry()
  })
  await persist(waiting, 'reading CONTROL', async () => {
    await follower.control()
    follower.rev()
  })
  return follower
}

function keyOpener(waiting: Persistence, kms: KmsOptions): OpenKey {
  return (what, reference, open) =>
    isKmsReference(reference) ? persist(waiting, `opening ${what}`, () => open(kms)) : open(kms)
}

async function endorsedKey(
  start: Start,
  anchor: Signer,
  bus: Bus,
  follower: AuthorityFollower,
  teardown: Teardown,
): Promise<SigningKey> {
  const { role, identity, boot, waiting } = start
  const { enrolment } = identity
  const report = (what: string, err: unknown) => waiting.log.error({ err }, what)
  const key = teardown.use(
    await persist(waiting, 'endorsing the signing key', () =>
      SigningKey.make({ role, instance: enrolment.id, boot, anchor, bus, follower, report }),
    ),
  )
  waiting.health.check('key', () => key.problem)
  return key
}

async function openAudit(
  { role, config, identity, boot, waiting, started }: Start,
  bus: Bus,
  follower: AuthorityFollower,
  key: SigningKey,
  teardown: Teardown,
): Promise<AuditSource> {
  const { log, health } = waiting
  const { region, id: instance, trust } = identity.enrolment
  const logKeys = trust.log_vkeys.map((vkey) => parseVkey(vkey))
  health.starting('recording the start')
  const audit = teardown.use(
    await AuditSource.start({
      dir: join(config.stateDir, 'audit'),
      outboxBytesMax: config.auditOutboxBytes,
      region,
      role,
      instance,
      boot,
      signer: key.signer,
      endorsement: key.endorsement,
      ...(started !== undefined && { started }),
      publish: async (subject, bytes) => {
        await bus.store(subject, bytes, { stream: 'AUDIT' })
      },
      verifySealed: (body) =>
        follower.waitForKey(() =>
          openAnswer(follower.authority, 'audit-sink', sealedMessage, body, Math.floor(Date.now() / 1000)),
        ),
      verifyCheckpoint: (note) => {
        openLogCheckpoint(note, logKeys)
      },
      report: (problem, err) => log.warn({ err }, problem),
    }),
  )
  let recorded = false
  audit.started.then(
    () => {
      recorded = true
    },
    () => {},
  )
  health.check('audit', () => {
    if (!recorded) return 'The start is not recorded yet.'
    return audit.stats.away ? 'The last audit message could not be published.' : undefined
  })
  key.keepEndorsed((endorsement) => audit.recordEndorsement(endorsement))
  return audit
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const stop = () => reject(signal.reason as Error)
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
}

/** A seal that cannot be believed covers nothing. */
async function listenToSeals(
  { identity, waiting }: Start,
  bus: Bus,
  audit: AuditSource,
  refused: RefusedMessages,
): Promise<void> {
  await bus.subscribe(subjects(identity.enrolment.region).sealed, ({ data }) => {
    audit.onSealed(data).catch((error: unknown) => {
      if (isFault(error) && error.code !== 'unavailable') refused.count('sealed', error.code)
      waiting.log.warn({ err: error }, 'a seal was not believed')
    })
  })
}
