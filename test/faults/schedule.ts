import { type Seeded, seeded } from './seeded.ts'

/** What an intent is for: it decides how it may end. */
export type IntentKind =
  | 'read'
  | 'config'
  | 'many'
  | 'denied'
  | 'approved'
  | 'rejected'
  | 'cancelled'
  | 'cancelled-waiting'

export interface PlannedIntent {
  /** From 0. */
  readonly n: number
  readonly id: string
  readonly kind: IntentKind
  readonly action: string
  readonly targets: readonly string[]
  readonly params?: Readonly<Record<string, number>>
}

export const GATEWAYS = ['gw-north', 'gw-south'] as const
export const PROCESSES = [
  'intent-gateway',
  'policy-evaluator',
  'token-issuer',
  'audit-sink',
  'nats-server',
  'redis-server',
  ...GATEWAYS,
] as const

/** Which message the fault comes right after: the first of its kind that is heard once intent `after` is on its way. */
export const MOMENTS = [
  'asked',
  'accepted',
  'issued',
  'dispatched',
  'planned',
  'redeemed',
  'begun',
  'ended',
  'final',
] as const
export type Moment = (typeof MOMENTS)[number]

export type FaultKind =
  /** `kill -9`; whoever supervises it starts it again. */
  | 'kill'
  /** SIGSTOP, and SIGCONT after `ms`. */
  | 'stop'
  /** Its connections break and new ones are refused for `ms`. */
  | 'cut'
  /** What it sends and is sent waits on the line for `ms`, and neither end is told. */
  | 'stall'
  /** `kill -9`, and all that the server had not flushed is gone: INTENTS, PLANS, OUTCOMES and STATUS are empty. */
  | 'lose'
  /** Every process is killed at once, and the server has lost what it had not flushed: the machine's power, with disks that keep it. */
  | 'power-cut'
  /** FLUSHALL. */
  | 'empty'
  /** `kill -9`, and it starts from what it held when the run began. */
  | 'roll-back'
  /** One instance is stopped while another policy is made active and the other instance is started again; then it goes on. */
  | 'new-policy'

export interface Fault {
  readonly after: number
  readonly moment: Moment
  readonly kind: FaultKind
  /** One of `PROCESSES`, a second instance, or `everything`. */
  readonly process: string
  /** Of what lasts. */
  readonly ms: number
}

/** The first intents meet no fault: what the processes hold after them is what they are to come back to. */
export const WARM = 12

export interface Schedule {
  readonly seed: number
  readonly intents: readonly PlannedIntent[]
  /** In the order in which they come, at most one at an intent. */
  readonly faults: readonly Fault[]
}

/** Devices of each gateway; a restart of the last one needs an approval by its record. */
export const DEVICES: Readonly<Record<string, readonly string[]>> = {
  'gw-north': ['north-1', 'north-2', 'north-3', 'north-guarded'],
  'gw-south': ['south-1', 'south-2', 'south-3', 'south-guarded'],
}
const GUARDED = ['north-guarded', 'south-guarded']
const PLAIN = Object.values(DEVICES)
  .flat()
  .filter((id) => !GUARDED.includes(id))

const PLAIN_KINDS: readonly IntentKind[] = ['read', 'config', 'many']
const MIX: readonly (readonly [IntentKind, number])[] = [
  ['read', 34],
  ['config', 24],
  ['many', 14],
  ['denied', 8],
  ['approved', 7],
  ['rejected', 3],
  ['cancelled', 5],
  ['cancelled-waiting', 5],
]

/** Shorter and longer than a redeem's 2 s, an issuer's 3 s of freshness and a request's repeats. */
const LASTS_MS = [150, 800, 2500, 4500, 7500]

/** Everything that a run does, and when: of the seed alone. `short`: each process is killed, and one fault of each other kind. */
export function schedule(seed: number, count: number, short = false): Schedule {
  const random = seeded(seed)
  const intents = Array.from({ length: count }, (_, n) => planned(n, seed, random))
  const wanted = random.shuffle(short ? someFaults(random) : allFaults())
  return { seed, intents, faults: placed(wanted, intents, random) }
}

/** Intents that would all succeed if nothing failed, and the faults in this order. */
export function scheduleOf(seed: number, count: number, wanted: readonly Wanted[]): Schedule {
  const random = seeded(seed)
  const intents = Array.from({ length: count }, (_, n) => {
    for (;;) {
      const intent = planned(n, seed, random)
      if (PLAIN_KINDS.includes(intent.kind)) return intent
    }
  })
  return { seed, intents, faults: placed(wanted, intents, random) }
}

function planned(n: number, seed: number, random: Seeded): PlannedIntent {
  const kind = kindOf(random)
  const id = `f${seed}-${n}`
  switch (kind) {
    case 'read':
      return { n, id, kind, action: 'telemetry-read', targets: [random.pick(PLAIN)] }
    case 'config':
    case 'many': {
      const targets = kind === 'config' ? [random.pick(PLAIN)] : random.shuffle(PLAIN).slice(0, 2 + random.below(4))
      return { n, id, kind, action: 'config-change', targets, params: { cycle_ms: 500 + random.below(9500) } }
    }
    case 'denied':
      return { n, id, kind, action: 'config-change', targets: [random.pick(PLAIN)], params: { pressure_kpa: 9000 } }
    case 'approved':
    case 'rejected':
    case 'cancelled-waiting':
      return { n, id, kind, action: 'restart', targets: [random.pick(GUARDED)] }
    case 'cancelled':
      return { n, id, kind, action: 'restart', targets: random.shuffle(PLAIN).slice(0, 2) }
  }
}

function kindOf(random: Seeded): IntentKind {
  let left = random.below(MIX.reduce((sum, [, weight]) => sum + weight, 0))
  for (const [kind, weight] of MIX) {
    if (left < weight) return kind
    left -= weight
  }
  return 'read'
}

type Wanted = Pick<Fault, 'kind' | 'process'>

const onProcess = (kind: FaultKind, process: string): Wanted => ({ kind, process })
const REDIS = [onProcess('empty', 'redis-server'), onProcess('roll-back', 'redis-server')]

function allFaults(): Wanted[] {
  const kinds: FaultKind[] = ['kill', 'stop', 'cut', 'stall']
  return [
    ...PROCESSES.flatMap((process) => kinds.map((kind) => onProcess(kind, process))),
    onProcess('lose', 'nats-server'),
    onProcess('power-cut', 'everything'),
    ...REDIS,
  ]
}

function someFaults(random: Seeded): Wanted[] {
  const others: FaultKind[] = ['stop', 'cut', 'stall']
  return [
    ...PROCESSES.map((process) => onProcess('kill', process)),
    ...others.map((kind) => onProcess(kind, random.pick(PROCESSES.filter((name) => name !== 'redis-server')))),
    onProcess('lose', 'nats-server'),
    ...REDIS,
  ]
}

/** Spread over the run after its first intents, each at an intent that goes through every moment. */
function placed(wanted: readonly Wanted[], intents: readonly PlannedIntent[], random: Seeded): Fault[] {
  const plain = intents.filter(({ n, kind }) => n >= WARM && PLAIN_KINDS.includes(kind))
  const room = plain.length / wanted.length
  if (room < 1) throw new Error('There are too few intents for these faults.')
  let before = -1
  return wanted.map(({ kind, process }, at) => {
    const index = Math.max(before + 1, Math.floor((at + random.next()) * room))
    const { n: after } = plain[index] as PlannedIntent
    before = index
    return { after, moment: random.pick(MOMENTS), kind, process, ms: random.pick(LASTS_MS) }
  })
}
