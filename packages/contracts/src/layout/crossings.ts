import { SERVICE_ROLES } from '../messages/common.ts'
import { CONSUMERS, type StreamName } from './streams.ts'
import { ANY, BUCKETS, bucketSubjects, subjects } from './subjects.ts'

/** `STORE` holds JetStream and nobody logs in to it at run time; `SYS` is the server's own. */
export const ACCOUNTS = ['SYS', 'STORE', 'SVC', 'EDGE'] as const
export type Account = (typeof ACCOUNTS)[number]

/**
 * `to` publishes or asks, `from` answers. The answers come back through a reply subject of the server's own making, so
 * the one that a client names means something in that client's account only.
 */
export interface ServiceCrossing {
  readonly kind: 'service'
  readonly from: Account
  readonly to: readonly Account[]
  readonly subject: string
  /** `Stream`: more than one answer to a request. */
  readonly response: 'Singleton' | 'Stream'
  /** Under which name `to` imports it. Only reads are renamed: a hostile reply subject can reach a renamed import. */
  readonly as?: string
}

/** The exporter's messages reach subscribers in `to`. */
export interface LiveCrossing {
  readonly kind: 'stream'
  readonly from: Account
  readonly to: readonly Account[]
  readonly subject: string
  readonly as?: string
}

export type Crossing = ServiceCrossing | LiveCrossing

/** The API prefix under which services read stream settings (`apiPrefix` of the client). */
export const STORE_API_PREFIX = 'store.API'

/** Direct get of one subject's last message, or (without `subject`) of anything in the stream. */
export const directGet = (stream: StreamName, subject?: string): string =>
  `$JS.API.DIRECT.GET.${stream}${subject === undefined ? '' : `.${subject}`}`
export const pullSubject = (stream: StreamName, consumer: string): string =>
  `$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`
export const ackSubject = (stream: StreamName, consumer: string): string => `$JS.ACK.${stream}.${consumer}.>`

const service =
  (response: 'Singleton' | 'Stream') =>
  (from: Account, to: readonly Account[], exported: readonly string[]): readonly ServiceCrossing[] =>
    exported.map((subject) => ({ kind: 'service', from, to, subject, response }))
const one = service('Singleton')
const many = service('Stream')
const live = (from: Account, to: readonly Account[], subject: string, as?: string): LiveCrossing => ({
  kind: 'stream',
  from,
  to,
  subject,
  ...(as !== undefined && { as }),
})

const QUEUES = CONSUMERS.map(({ stream }) => stream)

/**
 * Everything that crosses an account border. A subject that writes is imported with a wildcard and under its own name:
 * literal or renamed imports can be reached by a hostile reply subject. The exports of one account may not overlap.
 */
export function crossings(region: string): readonly Crossing[] {
  return [...edgeToStore(region), ...serviceToStore(region), ...edgeToService(region), ...announcements(region)]
}

function edgeToStore(region: string): readonly Crossing[] {
  const at = subjects(region)
  const published = [
    at.intent(ANY),
    at.outcome(ANY),
    at.report(ANY, ANY),
    at.controlAll,
    at.bundle(ANY),
    at.audit('gateway', ANY, ANY),
  ]
  return [
    ...one('STORE', ['EDGE'], [...published, ackSubject('PLANS', '*')]),
    ...many('STORE', ['EDGE'], [pullSubject('PLANS', '*')]),
    ...one('STORE', ['EDGE', 'SVC'], [directGet('POLICIES', '>'), directGet('STATUS', '>')]),
    ...many('STORE', ['EDGE', 'SVC'], [directGet('SIGNERS'), directGet('REGISTRY'), directGet('CONTROL')]),
  ]
}

function serviceToStore(region: string): readonly Crossing[] {
  const at = subjects(region)
  const published = [
    at.under('status'),
    at.plan(ANY),
    at.registry(ANY, ANY),
    at.attestation(ANY, ANY),
    at.tick(ANY),
    ...SERVICE_ROLES.map((role) => at.audit(role, ANY, ANY)),
    ...BUCKETS.map(bucketSubjects),
  ]
  const readBySubject: readonly StreamName[] = ['REPORTS', 'ATTESTATIONS', 'KV_intents', 'KV_uses', 'KV_subject-keys']
  const readWhole: readonly StreamName[] = ['KV_intents', 'KV_uses', 'AUDIT', 'AUDIT_EDGE']
  return [
    ...one('STORE', ['SVC'], published),
    ...one(
      'STORE',
      ['SVC'],
      QUEUES.map((stream) => ackSubject(stream, '*')),
    ),
    ...many(
      'STORE',
      ['SVC'],
      QUEUES.map((stream) => pullSubject(stream, '*')),
    ),
    ...one(
      'STORE',
      ['SVC'],
      readBySubject.map((stream) => directGet(stream, '>')),
    ),
    ...many(
      'STORE',
      ['SVC'],
      readWhole.map((stream) => directGet(stream)),
    ),
    // Renamed, as every account without JetStream answers its own `$JS.API.>` with "not enabled", and first.
    {
      kind: 'service',
      from: 'STORE',
      to: ['SVC'],
      subject: '$JS.API.STREAM.INFO.*',
      response: 'Singleton',
      as: `${STORE_API_PREFIX}.STREAM.INFO.*`,
    },
  ]
}

function edgeToService(region: string): readonly Crossing[] {
  const at = subjects(region)
  const asked = [at.approval(ANY), at.redeem(ANY), at.attest(ANY, ANY), at.command(ANY), at.query(ANY, ANY)]
  return one('SVC', ['EDGE'], asked)
}

function announcements(region: string): readonly Crossing[] {
  const at = subjects(region)
  const status = at.under('status')
  return [
    live('SVC', ['EDGE'], at.sealed),
    live('SVC', ['EDGE'], at.pending(ANY)),
    live('STORE', ['EDGE'], at.stored(status), status),
    live('STORE', ['EDGE', 'SVC'], at.stored(at.controlAll)),
    live('STORE', ['SVC'], at.stored(at.under('registry'))),
    live('STORE', ['SVC'], at.stored(at.under('attestation'))),
    live('STORE', ['SVC'], at.storedIntents),
  ]
}
