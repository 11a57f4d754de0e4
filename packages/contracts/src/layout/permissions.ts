import { PARTY_KINDS, type PartyKind, type ServiceRole } from '../messages/common.ts'
import { type Account, ackSubject, directGet, pullSubject, STORE_API_PREFIX } from './crossings.ts'
import { gatewayConsumerName, type StreamName } from './streams.ts'
import { ANY, bucketSubjects, inboxPrefix, REST, subjects } from './subjects.ts'

/**
 * What one identity may publish and subscribe to; nothing else. There is no permission to respond (`resp`): an asker of
 * the same account would choose, by its reply subject, where the answerer writes. Answers to another account go to
 * `_R_.…`, made by the server; answers inside one account to `answer.<request subject>.<token>`, which only the answerer
 * may publish (`Subjects.answerOf`).
 */
export interface Permissions {
  readonly pub: readonly string[]
  readonly sub: readonly string[]
}

export type IdentityKind = PartyKind | ServiceRole

/** Where the server puts the answers to requests from another account. */
const REPLIES = '_R_.>'
const inbox = (kind: IdentityKind, id: string): string => `${inboxPrefix(kind, id)}.>`
const pull = (stream: StreamName, consumer: string): readonly string[] => [
  pullSubject(stream, consumer),
  ackSubject(stream, consumer),
]
const getEach = (...streams: StreamName[]): readonly string[] => streams.map((stream) => directGet(stream, '>'))
/** What everybody may read, to check signatures: every version of keys, operators, gateways and policy. */
const SIGNERS = directGet('SIGNERS')

export function accountOf(kind: IdentityKind): Account {
  return isParty(kind) ? 'EDGE' : 'SVC'
}

/** @throws Fault `malformed` when `id` is not one plain token, a wildcard among them. */
export function permissions(region: string, kind: IdentityKind, id: string): Permissions {
  return isParty(kind) ? EDGE[kind](region, id) : service(region, kind, id)
}

function isParty(kind: IdentityKind): kind is PartyKind {
  return PARTY_KINDS.some((party) => party === kind)
}

/** Users of EDGE. */
const EDGE: Readonly<Record<PartyKind, (region: string, id: string) => Permissions>> = {
  agent: (region, id) => {
    const at = subjects(region)
    return {
      pub: [
        at.intent(id),
        at.act(ANY, id),
        at.attest('agent', id),
        at.query('agent', id),
        directGet('STATUS', at.status(id, REST)),
        SIGNERS,
      ],
      sub: [at.status(id, REST), at.answer(at.act(ANY, id), ANY), inbox('agent', id)],
    }
  },
  gateway: (region, id) => {
    const at = subjects(region)
    return {
      pub: [
        at.redeem(id),
        at.outcome(id),
        at.report(id, ANY),
        at.applied(id),
        at.attest('gateway', id),
        at.audit('gateway', id, ANY),
        at.answer(at.act(id, ANY), ANY),
        ...pull('PLANS', gatewayConsumerName(id)),
        directGet('CONTROL'),
        SIGNERS,
      ],
      sub: [at.stored(at.controlAll), at.sealed, at.act(id, ANY), inbox('gateway', id)],
    }
  },
  approver: (region, id) => {
    const at = subjects(region)
    return {
      pub: [at.approval(id), at.query('approver', id), SIGNERS],
      sub: [at.pending(id), inbox('approver', id)],
    }
  },
  operator: (region, id) => {
    const at = subjects(region)
    return {
      pub: [
        at.command(id),
        at.control(id),
        at.bundle(ANY),
        at.query('operator', id),
        SIGNERS,
        directGet('CONTROL'),
        directGet('REGISTRY'),
        directGet('POLICIES', at.bundle(REST)),
      ],
      sub: [at.stored(at.controlAll), at.applied(ANY), inbox('operator', id)],
    }
  },
}

/** Users of SVC: each keeps its own audit chain, endorses its key, and reads registry, control, reports and bundles. */
function service(region: string, role: ServiceRole, id: string): Permissions {
  const at = subjects(region)
  const own = OWN[role](region, id)
  return {
    pub: [
      at.audit(role, id, ANY),
      at.registry('key', ANY),
      `${STORE_API_PREFIX}.STREAM.INFO.*`,
      SIGNERS,
      directGet('REGISTRY'),
      directGet('CONTROL'),
      ...getEach('REPORTS', 'POLICIES'),
      ...own.pub,
    ],
    sub: [at.stored(at.controlAll), at.stored(at.under('registry')), at.sealed, inbox(role, id), ...own.sub],
  }
}

const OWN: Readonly<Record<ServiceRole, (region: string, id: string) => Permissions>> = {
  'intent-gateway': (region, id) => {
    const at = subjects(region)
    return {
      pub: [
        at.under('status'),
        at.plan(ANY),
        at.pending(ANY),
        at.registry(ANY, ANY),
        at.rpc('policy.decide'),
        at.rpc('token'),
        bucketSubjects('intents'),
        bucketSubjects('subject-keys'),
        directGet('KV_intents'),
        REPLIES,
        ...pull('INTENTS', 'intent-gateway'),
        ...pull('OUTCOMES', 'intent-gateway'),
        ...getEach('KV_intents', 'KV_subject-keys', 'STATUS', 'ATTESTATIONS'),
      ],
      sub: [
        at.approval(ANY),
        at.command(ANY),
        at.query(ANY, ANY),
        at.answer(at.rpc(ANY), id, ANY),
        at.stored(at.under('attestation')),
        at.storedIntents,
      ],
    }
  },
  'policy-evaluator': (region) => {
    const at = subjects(region)
    return { pub: [at.answer(at.rpc('policy.decide'), ANY, ANY)], sub: [at.rpc('policy.decide')] }
  },
  'token-issuer': (region, id) => {
    const at = subjects(region)
    return {
      pub: [
        at.tick(id),
        at.answer(at.rpc('token'), ANY, ANY),
        bucketSubjects('uses'),
        ...getEach('KV_uses'),
        directGet('KV_uses'),
        REPLIES,
      ],
      sub: [at.redeem(ANY), at.rpc('token')],
    }
  },
  'attestation-verifier': (region) => {
    const at = subjects(region)
    return { pub: [at.attestation(ANY, ANY), REPLIES], sub: [at.attest(ANY, ANY)] }
  },
  'audit-sink': (region) => ({
    pub: [
      directGet('AUDIT'),
      directGet('AUDIT_EDGE'),
      ...pull('AUDIT', 'audit-sink'),
      ...pull('AUDIT_EDGE', 'audit-sink'),
      subjects(region).sealed,
    ],
    sub: [],
  }),
}
