import { readEnrolment, type Session } from '@writ/agent-sdk'
import { isFault } from '@writ/contracts'
import { type Context, connectSession } from '../context.ts'
import { IDENTITY_KINDS, type Identified } from '../identities/kinds.ts'
import { type Backlog, backlogOf } from './backlog.ts'
import { type GatewayStatus, hearGateways } from './hear-gateways.ts'
import { legalHolds } from './legal-holds.ts'
import { type ServiceHealth, serviceHealth } from './service-health.ts'
import { type StoreState, storeStateOf } from './store-state.ts'

export interface PlaneStatus {
  readonly ok: boolean
  readonly context: string
  readonly as: string
  readonly region: string
  readonly nats: { readonly url: string; readonly connected: boolean; readonly problem?: string }
  readonly services: readonly Omit<ServiceHealth, 'samples'>[]
  readonly gateways: readonly GatewayStatus[]
  /** Absent where CONTROL cannot be read: without a connection, or as somebody who is no operator. */
  readonly heads?: Heads
  /** As far as the services that answered know. */
  readonly backlog: Backlog
  /** What audit-sink found its store to be when it started; absent where none has said. */
  readonly store?: StoreState
  /** Epochs of the log under legal hold; absent where the context does not know the store, or it did not answer. */
  readonly legal_holds?: readonly string[]
  /** What is not well, a sentence each. */
  readonly problems: readonly string[]
  /** What nobody was asked about, a sentence each: of that `ok` says nothing. */
  readonly not_asked: readonly string[]
}

export interface Heads {
  readonly control: { readonly stream?: string; readonly seq: number; readonly standing: number }
  readonly policy?: { readonly version: number; readonly revision: string; readonly bundle_sha256: string }
  readonly records: Readonly<Record<Identified, number>>
}

/** Nothing that runs seals later than this while there is something to seal: every source speaks once a minute. */
const SEAL_AGE_MAX_S = 120
const UNSEALED_MAX_S = 30

/** How everything is. `hearMs`: how long gateways are listened for. Never throws for what does not answer: that is what it says. */
export async function planeStatus(context: Context, hearMs: number): Promise<PlaneStatus> {
  const { kind, id, region, nats_url } = await readEnrolment(context.enrolment)
  const [services, bus, holds] = await Promise.all([
    Promise.all(Object.entries(context.services).map(([name, url]) => serviceHealth(name, url))),
    askBus(context, kind === 'operator', hearMs),
    legalHolds(context, region),
  ])
  const backlog = backlogOf(services, Date.now())
  const store = storeStateOf(services)
  const status = {
    context: context.name,
    as: `${kind} ${id}`,
    region,
    nats: {
      url: nats_url,
      connected: bus.problem === undefined,
      ...(bus.problem !== undefined && { problem: bus.problem }),
    },
    services: services.map(({ samples: _, ...health }) => health),
    gateways: bus.gateways,
    ...(bus.heads !== undefined && { heads: bus.heads }),
    backlog,
    ...(store !== undefined && { store }),
    ...(holds !== undefined && 'epochs' in holds && { legal_holds: holds.epochs }),
  }
  const problems = problemsOf(status)
  const notAsked = [
    ...notAskedOf(services, { isOperator: kind === 'operator', hears: hearMs > 0 }),
    ...(holds !== undefined && 'notAsked' in holds ? [holds.notAsked] : []),
  ]
  return { ok: problems.length === 0, ...status, problems, not_asked: notAsked }
}

interface Asked {
  readonly problem?: string
  readonly gateways: readonly GatewayStatus[]
  readonly heads?: Heads
}

async function askBus({ enrolment, keyFile }: Context, isOperator: boolean, hearMs: number): Promise<Asked> {
  try {
    await using session = await connectSession(enrolment, keyFile)
    if (!isOperator) return { gateways: [] }
    const gateways = await hearGateways(session, hearMs)
    return { gateways, heads: headsOf(session) }
  } catch (error) {
    if (!isFault(error)) throw error
    return { problem: error.message, gateways: [] }
  }
}

function headsOf({ authority: { control, trust } }: Session): Heads {
  const policy = trust.record('policy', 'active')
  const count = (kind: Identified) => trust.ids(kind).filter((id) => trust.record(kind, id) !== undefined).length
  return {
    control: {
      ...(control.stream !== undefined && { stream: control.stream }),
      seq: control.seq,
      standing: control.standing.length,
    },
    ...(policy !== undefined && {
      policy: {
        version: policy.version,
        revision: policy.record.revision,
        bundle_sha256: policy.record.bundle_sha256,
      },
    }),
    records: Object.fromEntries(IDENTITY_KINDS.map((kind) => [kind, count(kind)])) as Record<Identified, number>,
  }
}

export const NO_SERVICE_ASKED =
  "No service's health was asked: the context knows no health addresses (`writ context add --help`)."
export const NO_GATEWAY_HEARD = 'No gateway was listened for.'

/** Silence about these is no good news. */
export function notAskedOf(
  services: readonly object[],
  { isOperator, hears }: { readonly isOperator: boolean; readonly hears: boolean },
): readonly string[] {
  return [...(services.length === 0 ? [NO_SERVICE_ASKED] : []), ...(isOperator && hears ? [] : [NO_GATEWAY_HEARD])]
}

/** What a person must look at. */
export function problemsOf({
  nats,
  services,
  gateways,
  heads,
  backlog,
}: Pick<PlaneStatus, 'nats' | 'services' | 'gateways' | 'heads' | 'backlog'>): readonly string[] {
  const { seal_age_s = 0, oldest_unsealed_s = 0, audit_unsent = 0 } = backlog
  return [
    ...(nats.problem === undefined ? [] : [nats.problem]),
    ...services
      .filter(({ state }) => state !== 'ready')
      .map(({ name, state, problems }) => `${name} is ${state}: ${problems.join('; ')}`),
    ...gateways.filter(({ state }) => state !== 'confirmed').map(({ id, state }) => `The gateway ${id} is ${state}.`),
    ...(heads !== undefined && heads.control.stream === undefined
      ? ['CONTROL has no genesis: nothing is issued.']
      : []),
    ...(heads !== undefined && heads.policy === undefined ? ['No policy is in force: everything is denied.'] : []),
    ...(seal_age_s > SEAL_AGE_MAX_S ? [`The log was sealed last ${seal_age_s} s ago.`] : []),
    ...(oldest_unsealed_s > UNSEALED_MAX_S
      ? [`Evidence has waited ${Math.round(oldest_unsealed_s)} s for its seal.`]
      : []),
    ...(audit_unsent > 0 ? [`${audit_unsent} audit messages are not in the stream yet.`] : []),
  ]
}
