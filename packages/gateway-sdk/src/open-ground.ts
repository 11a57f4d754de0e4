import { join } from 'node:path'
import { type Authority, type ControlStep, createAuthority } from '@writ/authority'
import { type Bus, type BusStatus, connectBus } from '@writ/bus'
import { lockDirectory } from '@writ/durable'
import { Guard } from './authority/guard.ts'
import { readPosition, writePosition } from './authority/position-file.ts'
import { type Identity, readIdentity } from './enrolment.ts'
import type { GatewayOptions } from './gateway.ts'
import { PlanJournal } from './journal/plan-journal.ts'
import type { Log } from './log.ts'
import type { Teardown } from './teardown.ts'

/** What a gateway stands on: its identity, its directory, its connection, and what it knows of who may. */
export interface Ground {
  readonly identity: Identity
  readonly journal: PlanJournal
  readonly bus: Bus
  readonly authority: Authority
  readonly guard: Guard
}

/** Opens everything that holds something open, and leaves it to `teardown` to close. */
export async function openGround(
  options: GatewayOptions,
  teardown: Teardown,
  log: Log,
  onControl: (step: ControlStep, guard: Guard) => void,
): Promise<Ground> {
  const identity = await readIdentity(options.enrolment, options.key)
  const { region, trust, control } = identity.enrolment
  teardown.own(await lockDirectory(options.stateDir))
  const journal = teardown.own(await PlanJournal.open(join(options.stateDir, 'plans.journal')))
  const positionFile = join(options.stateDir, 'control.json')
  const known = await readPosition(positionFile)
  const bus = teardown.own(await connect(identity, options.signal, log))
  const authority = createAuthority(region, trust)
  const guard: Guard = new Guard({
    authority,
    read: (stream, wanted) => bus.read(stream, wanted),
    known,
    least: control,
    savePosition: (position) => writePosition(positionFile, position),
    onControl: (step) => onControl(step, guard),
  })
  return { identity, journal, bus, authority, guard }
}

function connect({ enrolment, credentials }: Identity, signal: AbortSignal | undefined, log: Log): Promise<Bus> {
  return connectBus({
    servers: enrolment.nats_url,
    credentials,
    region: enrolment.region,
    kind: 'gateway',
    id: enrolment.id,
    waitOnFirstConnect: true,
    ...(signal !== undefined && { signal }),
    onStatus: (status) => logStatus(log, status),
  })
}

function logStatus(log: Log, status: BusStatus): void {
  if (status.type === 'error')
    log.warn({ err: status.error, subject: status.subject }, 'The message bus reports an error.')
  else if (status.type === 'refused' || status.type === 'unanswerable')
    log.error(status, 'The message bus refuses something.')
  else log.info(status, 'The connection to the message bus has changed.')
}
