import { Fault } from '../fault.ts'
import type { PartyKind, ServiceRole } from '../messages/common.ts'

/** In place of an id: any one token. A symbol, so that no string from outside can widen a subject. */
export const ANY: unique symbol = Symbol('*')
/** In place of the last id: one token or more. */
export const REST: unique symbol = Symbol('>')
/** An id, digest or thumbprint, or `ANY`. */
export type SubjectToken = string | typeof ANY
export type LastSubjectToken = SubjectToken | typeof REST

/** Requests between services, answered under `answer(…)`. Internal: no part of CONTRACT.md. */
export const RPC_NAMES = ['policy.decide', 'token.issue', 'token.close', 'token.ended', 'token.list'] as const
export type RpcName = (typeof RPC_NAMES)[number]
/** All requests of one group. */
export type RpcGroup = 'policy' | 'token'

/** Kinds of `registry.<kind>.<id>`. */
export const SIGNER_KINDS = ['key', 'operator', 'gateway', 'policy'] as const
export const REGISTRY_KINDS = ['agent', 'device', 'approver', 'subject'] as const
export type FiledKind = (typeof SIGNER_KINDS)[number] | (typeof REGISTRY_KINDS)[number]

/** Key-value buckets; a bucket's stream is `KV_<bucket>` and its subjects are `$KV.<bucket>.<key>`. */
export const BUCKETS = ['intents', 'uses', 'subject-keys'] as const
export type Bucket = (typeof BUCKETS)[number]

/** How many ids follow the head of each subject (CONTRACT section 3); `stored.` may stand before those that are republished. */
const FORMS = {
  intent: 1,
  status: 2,
  stepStatus: 3,
  pending: 1,
  approval: 1,
  plan: 1,
  act: 2,
  redeem: 1,
  outcome: 1,
  report: 2,
  attest: 2,
  attestation: 2,
  command: 1,
  registry: 2,
  bundle: 1,
  control: 1,
  tick: 1,
  applied: 1,
  query: 2,
  audit: 3,
  sealed: 0,
  rpc: 2,
} as const
export type SubjectForm = keyof typeof FORMS

/** A subject of ours taken apart. What it says is a claim of the sender until a signature by that id has been verified. */
export interface ParsedSubject {
  readonly form: SubjectForm
  /** The tokens after the head, in the order of the builder's arguments. */
  readonly ids: readonly string[]
  /** Whether it was announced by a stream after the write (`stored.…`). */
  readonly stored: boolean
}

/** The one place where subject strings are made. Every builder refuses (`Fault` `malformed`) what is not a single plain token. */
export interface Subjects {
  /** `writ.v1.<r>.`, with the dot. */
  readonly prefix: string
  intent(agentId: LastSubjectToken): string
  /** Without `stepId`: the intent's status. With it: the outcome of one step as its gateway signed it. */
  status(agentId: SubjectToken, intentId: LastSubjectToken, stepId?: LastSubjectToken): string
  pending(approverId: SubjectToken): string
  approval(approverId: SubjectToken): string
  plan(gatewayId: SubjectToken): string
  act(gatewayId: SubjectToken, agentId: SubjectToken): string
  redeem(gatewayId: SubjectToken): string
  outcome(gatewayId: SubjectToken): string
  report(gatewayId: SubjectToken, deviceId: SubjectToken): string
  attest(kind: 'agent' | 'gateway' | typeof ANY, id: SubjectToken): string
  /** Where attestation-verifier keeps the last result. */
  attestation(kind: 'agent' | 'gateway' | typeof ANY, id: SubjectToken): string
  command(operatorId: SubjectToken): string
  registry(kind: FiledKind | typeof ANY, id: LastSubjectToken): string
  bundle(bundleSha256: LastSubjectToken): string
  control(operatorId: SubjectToken): string
  /** What operators publish to `CONTROL`, without the ticks: what readers filter by and conditions name. */
  readonly controlAll: string
  tick(instance: SubjectToken): string
  applied(gatewayId: SubjectToken): string
  query(kind: 'agent' | 'approver' | 'operator' | typeof ANY, id: SubjectToken): string
  audit(role: ServiceRole | 'gateway', instance: SubjectToken, boot: SubjectToken): string
  readonly sealed: string
  /** A group, or `ANY`: all of its requests. */
  rpc(name: RpcName | RpcGroup | typeof ANY): string
  /** Everything of one form: `<form>.>`. */
  under(form: Exclude<SubjectForm, 'stepStatus' | 'sealed'>): string
  /** The announced copy of a subject: same tokens after `stored.`. */
  stored(subject: string): string
  /** The announced changes of a bucket that is republished, all of them. */
  readonly storedIntents: string
  /** The bucket key that an announced change (`storedIntents`) is about; undefined: the subject is none. */
  storedIntentKey(subject: string): string | undefined
  /** Where an asker of the answerer's own account wants its answer: `answer.<request subject>.<token>…`. */
  answer(requestSubject: string, ...tokens: [SubjectToken, ...SubjectToken[]]): string
  /** undefined: not a subject of this region and contract. */
  parse(subject: string): ParsedSubject | undefined
  /** The ids of a subject of one form, live or stored; undefined if it is any other. */
  idsOf(form: SubjectForm, subject: string): readonly string[] | undefined
  /**
   * The reply subject of a request inside one account if it is the answerer's own to use, else undefined: then say nothing.
   * A plain `respond` would write wherever the answerer itself may, at a subject of the asker's choice.
   */
  answerOf(request: { readonly subject: string; readonly reply?: string | undefined }): string | undefined
}

const TOKEN = /^[A-Za-z0-9_-]{1,64}$/

/** One token of a subject, checked. */
export function token(value: LastSubjectToken): string {
  if (value === ANY) return '*'
  if (value === REST) return '>'
  if (TOKEN.test(value)) return value
  throw new Fault('malformed', { message: 'An id in a subject is not one plain token.' })
}

/** The prefix of a client's inboxes; only that client may subscribe under it. */
export function inboxPrefix(kind: PartyKind | ServiceRole, id: string): string {
  return `_INBOX_${kind}_${token(id)}`
}

/** The stream's name of a bucket. */
export function bucketStream<B extends Bucket>(bucket: B): `KV_${B}` {
  return `KV_${bucket}`
}

/** Every subject of a bucket. */
export function bucketSubjects(bucket: Bucket): string {
  return `$KV.${bucket}.>`
}

export function subjects(region: string): Subjects {
  const prefix = `writ.v1.${token(region)}.`
  const form =
    (head: string) =>
    (...ids: LastSubjectToken[]): string =>
      `${prefix}${[head, ...ids.map(token)].join('.')}`
  const tail = (subject: string): string => {
    if (subject.startsWith(prefix)) return subject.slice(prefix.length)
    throw new Fault('malformed', { message: 'The subject is not of this region and contract.' })
  }
  const parse = (subject: string) => (subject.startsWith(prefix) ? parseTail(subject.slice(prefix.length)) : undefined)
  const status = form('status')
  const storedIntents = `${prefix}stored.intents.`
  return {
    prefix,
    intent: form('intent'),
    status: (agentId, intentId, stepId) =>
      stepId === undefined ? status(agentId, intentId) : status(agentId, intentId, stepId),
    pending: form('pending'),
    approval: form('approval'),
    plan: form('plan'),
    act: form('act'),
    redeem: form('redeem'),
    outcome: form('outcome'),
    report: form('report'),
    attest: form('attest'),
    attestation: form('attestation'),
    command: form('command'),
    registry: form('registry'),
    bundle: form('bundle'),
    control: form('control'),
    controlAll: form('control')(ANY),
    tick: form('tick'),
    applied: form('applied'),
    query: form('query'),
    audit: form('audit'),
    sealed: `${prefix}sealed`,
    rpc: (name) => `${prefix}rpc.${name === ANY ? '*.*' : name.includes('.') ? name : `${name}.*`}`,
    under: (head) => `${prefix}${head}.>`,
    stored: (subject) => `${prefix}stored.${tail(subject)}`,
    storedIntents: `${storedIntents}>`,
    storedIntentKey: (subject) => (subject.startsWith(storedIntents) ? subject.slice(storedIntents.length) : undefined),
    answer: (request, ...tokens) => `${prefix}answer.${[tail(request), ...tokens.map(token)].join('.')}`,
    parse,
    idsOf: (wanted, subject) => {
      const parsed = parse(subject)
      return parsed?.form === wanted ? parsed.ids : undefined
    },
    answerOf: ({ subject, reply }) =>
      reply?.startsWith(`${prefix}answer.${tail(subject)}.`) === true ? reply : undefined,
  }
}

function parseTail(tail: string): ParsedSubject | undefined {
  const stored = tail.startsWith('stored.')
  const [head, ...ids] = (stored ? tail.slice('stored.'.length) : tail).split('.')
  const form = head === 'status' && ids.length === FORMS.stepStatus ? 'stepStatus' : head
  if (form === undefined || !isForm(form) || (form === 'stepStatus') !== (head !== form)) return undefined
  if (ids.length !== FORMS[form] || !ids.every((id) => TOKEN.test(id))) return undefined
  return { form, ids, stored }
}

function isForm(name: string): name is SubjectForm {
  return Object.hasOwn(FORMS, name)
}
