import { setMaxListeners } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import type { AuditSource } from '@writ/audit'
import type { Bus, Consuming } from '@writ/bus'
import { Fault, gatewayConsumerName, subjects } from '@writ/contracts'
import { AppliedAnnouncer } from './authority/applied-announcer.ts'
import { Keeper } from './authority/keeper.ts'
import { type Clock, systemClock } from './clock.ts'
import type { Gateway, GatewayOptions } from './gateway.ts'
import { type Log, silentLog } from './log.ts'
import { openAudit, takeSealed } from './open-audit.ts'
import { type Ground, openGround } from './open-ground.ts'
import { openPlanWork, type PlanWork } from './open-plan-work.ts'
import { GatewayAudit } from './outcomes/gateway-audit.ts'
import { RunningSteps } from './plans/running-steps.ts'
import { Reporter } from './reports/reporter.ts'
import { Teardown } from './teardown.ts'

const PLANS_IN_FLIGHT_MAX = 16
const STOP_WITHIN_MS = 30_000
const STOP_GRACE_MS = 5000
const DRAIN_MS = 3000

/**
 * Starts a gateway. It verifies every plan's whole chain by itself, begins a step only with a use that token-issuer has just granted, and
 * signs what came of it. Resolves when it is connected and at work; `ready` says when it knows enough to begin. While the bus is away it
 * waits for it (`signal` gives up), and what it has signed is kept in `stateDir` until the control plane has it.
 *
 * ```ts
 * await using gateway = await startGateway({
 *   enrolment: '/etc/writ',
 *   stateDir: '/var/lib/writ',
 *   actions: {
 *     'telemetry-read': async ({ deviceId }) => ({ temperature_c: await plc(deviceId).temperature() }),
 *     restart: async ({ deviceId, signal }) => {
 *       if (!(await plc(deviceId).restart({ signal }))) throw new ActionFailed('The drive did not come back.')
 *       return { mode: 'running' }
 *     },
 *   },
 *   reports: {
 *     devices: ['press-07'],
 *     observe: async (deviceId) => ({ state: await plc(deviceId).state(), address: '10.20.0.7' }),
 *   },
 * })
 * await gateway.ready
 * ```
 *
 * Throws Fault `unavailable` when a file is missing or open to others, the state directory is in use, or the disk fails; `malformed`
 * when the enrolment package is not a gateway's; `internal` when the journal is damaged: it must not be repaired by guessing.
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const teardown = new Teardown()
  try {
    return await start(options, teardown)
  } catch (error) {
    await teardown[Symbol.asyncDispose]().catch(() => undefined)
    throw error
  }
}

async function start(options: GatewayOptions, teardown: Teardown): Promise<Gateway> {
  const { log = silentLog, clock = systemClock } = options
  const stopping = new AbortController()
  // Every plan in hand listens, and Node warns of a leak from the eleventh on.
  setMaxListeners(0, stopping.signal)
  const running: RunningSteps = new RunningSteps(() => void announcer.announce())
  let audit: GatewayAudit | undefined
  const ground = await openGround(options, teardown, log, (step, guard) => {
    running.stopDead(guard.authority.control)
    if (!guard.wasKnown(step.seq)) audit?.control(step)
  })
  const { id } = ground.identity.enrolment
  const source = await openAudit(ground, options.stateDir, clock, log)
  teardown.add(() => source.stop(DRAIN_MS))
  audit = new GatewayAudit(source, id, log)
  const reporter = openReporter(options, ground, clock, log)
  const touched = (deviceId: string) => void reporter?.look(deviceId)
  const context = { ground, audit, running, clock, stopping: stopping.signal, touched, log }
  const work = await openPlanWork(options, context)
  teardown.add(() => drain(work, ground.bus))
  const announcer = openAnnouncer(ground, running, clock, log)
  const keeper = new Keeper({ guard: ground.guard, onApplied: () => void announcer.announce(), log })
  teardown.add(() => keeper.stop())
  await listen(ground, source, keeper, work, log)
  announcer.start()
  teardown.add(() => announcer.stop())
  reporter?.start()
  teardown.add(() => reporter?.stop())
  const ready = keeper.ready.then(() => source.started)
  let consuming: Consuming | undefined
  const begin = () => {
    if (!stopping.signal.aborted) consuming = consume(options, ground, work)
  }
  ready.then(begin, () => undefined)
  teardown.add(() => stopWork(stopping, () => consuming?.stop(), running, options.stopWithinMs ?? STOP_WITHIN_MS))
  return {
    id,
    ready,
    status: () => statusOf(ground, keeper, running, work),
    deviceChanged: touched,
    close: () => teardown[Symbol.asyncDispose](),
    [Symbol.asyncDispose]: () => teardown[Symbol.asyncDispose](),
  }
}

/** What wakes a gateway: announcements of CONTROL, seals of the log, a connection that is back. Nothing that is heard is believed as such. */
async function listen(ground: Ground, source: AuditSource, keeper: Keeper, work: PlanWork, log: Log): Promise<void> {
  const { bus, authority } = ground
  const at = subjects(authority.region)
  bus.onReconnect(() => {
    keeper.wake()
    work.sender.nudge()
  })
  await bus.subscribe(at.stored(at.controlAll), () => keeper.wake())
  await bus.subscribe(at.sealed, ({ data }) => void takeSealed(source, ground, data, log))
  keeper.wake()
}

function consume(options: GatewayOptions, { bus, identity }: Ground, { intake }: PlanWork): Consuming {
  return bus.consume(
    {
      stream: 'PLANS',
      consumer: gatewayConsumerName(identity.enrolment.id),
      inFlightMax: options.plansInFlightMax ?? PLANS_IN_FLIGHT_MAX,
    },
    (delivery) => intake.handle(delivery),
  )
}

function openAnnouncer(
  { bus, identity, authority }: Ground,
  running: RunningSteps,
  clock: Clock,
  log: Log,
): AppliedAnnouncer {
  const { id } = identity.enrolment
  const subject = subjects(authority.region).applied(id)
  const { audience, control } = authority
  return new AppliedAnnouncer({
    gatewayId: id,
    audience,
    signer: identity.signer,
    control,
    running,
    clock,
    publish: (jws) => bus.publish(subject, jws),
    log,
  })
}

function openReporter(options: GatewayOptions, { bus, identity, authority }: Ground, clock: Clock, log: Log) {
  const { reports: observer } = options
  if (observer === undefined) return undefined
  const { id } = identity.enrolment
  const at = subjects(authority.region)
  const store = async (deviceId: string, jws: string) => {
    await bus.store(at.report(id, deviceId), jws, { stream: 'REPORTS' })
  }
  const { audience } = authority
  return new Reporter({ gatewayId: id, audience, signer: identity.signer, observer, clock, store, log })
}

/** Nothing new is begun; what runs may end, and is told to stop when the time is over. */
async function stopWork(
  stopping: AbortController,
  stopConsuming: () => Promise<void> | undefined,
  running: RunningSteps,
  stopWithinMs: number,
): Promise<void> {
  stopping.abort(new Fault('unavailable', { message: 'The gateway is stopping.' }))
  const stopped = stopConsuming() ?? Promise.resolve()
  const patience = new AbortController()
  const outOfPatience = async (): Promise<void> => {
    await delay(stopWithinMs, undefined, { signal: patience.signal })
    running.stopAll({ code: 'interrupted', message: 'The gateway was stopped.' })
    await delay(STOP_GRACE_MS, undefined, { signal: patience.signal })
  }
  await Promise.race([stopped, outOfPatience().catch(() => stopped)])
  patience.abort()
}

async function drain({ sender }: PlanWork, bus: Bus): Promise<void> {
  const until = performance.now() + DRAIN_MS
  while (sender.waiting > 0 && bus.connected && performance.now() < until) await delay(20)
  sender.stop()
}

function statusOf({ bus, authority }: Ground, keeper: Keeper, running: RunningSteps, { sender }: PlanWork) {
  const { stream, seq } = authority.control
  return {
    connected: bus.connected,
    ...(keeper.trouble !== undefined && { standingStill: keeper.trouble }),
    ...(stream !== undefined && { control: { stream, seq } }),
    running: running.size,
    outcomesWaiting: sender.waiting,
  }
}
