import { checkEnvelope, checkSubject, type Verified, verifyParty } from '@writ/authority'
import type { Bus } from '@writ/bus'
import {
  ANY,
  answerMessage,
  approvalRequestMessage,
  bucketSubjects,
  Fault,
  listRpc,
  type PartyKind,
  type Query,
  queryMessage,
  RECORD_KINDS,
  type RecordKind,
  statusMessage,
  subjects,
} from '@writ/contracts'
import { openMessage, requestDigest } from '@writ/keys'
import { caughtUp } from '@writ/service-kit'
import type { DecisionFiles } from '../adapters/decision-files.ts'
import type { IntentRecords } from '../adapters/intent-records.ts'
import { isDone, isStateKey, parseRecord } from '../core/intent-record.ts'
import { statusBody } from '../core/status.ts'
import type { Ask, AuthorityView, Clock, Sign } from '../ports.ts'
import { approversOf, requestClaims } from './announce-approval.ts'

export interface AnswerQueryDeps {
  readonly region: string
  readonly view: AuthorityView
  readonly records: IntentRecords
  readonly files: DecisionFiles
  readonly bus: Pick<Bus, 'last' | 'read'>
  readonly ask: Ask
  readonly sign: Sign
  readonly clock: Clock
}

export interface Page {
  readonly items: string[]
  readonly next?: string
}

type Args = Query['args']

const LIMIT = 100
/** Items stand as text inside a signed payload, which base64url makes a third longer; the server takes 1 MiB. */
const PAGE_BYTES_MAX = 700_000

/** What each kind may ask for. */
const ALLOWED: Readonly<Record<'agent' | 'approver' | 'operator', readonly Query['what'][]>> = {
  agent: ['intents'],
  approver: ['pending'],
  operator: ['registry', 'intents', 'tokens'],
}

/** Answers `query.<kind>.<id>` with the exact latest messages, a page at a time: `next` is the `after` of the page that follows. */
export function answerQuery(deps: AnswerQueryDeps): (kind: string, id: string, body: Uint8Array) => Promise<string> {
  return async (kind, id, body) => {
    if (!isAsker(kind)) throw new Fault('malformed', { message: 'Nobody of this kind asks.' })
    const { what, args } = await verified(deps, kind, id, body)
    if (!ALLOWED[kind].includes(what))
      throw new Fault('wrong_role', { message: `A query of this kind is not for ${kind}s.` })
    const page = await pageOf(deps, kind, id, what, args)
    const envelope = { iss: 'intent-gateway', aud: deps.view.authority.audience, iat: deps.clock.nowSeconds() }
    return deps.sign(answerMessage, { ...envelope, request: requestDigest(body), ...page })
  }
}

function isAsker(kind: string): kind is keyof typeof ALLOWED {
  return Object.hasOwn(ALLOWED, kind)
}

async function verified(
  { view, clock }: AnswerQueryDeps,
  kind: PartyKind,
  id: string,
  body: Uint8Array,
): Promise<Query> {
  const opened = openMessage(queryMessage, body)
  checkSubject(opened, id)
  const query = await caughtUp(view.catchUp, () => verifyParty(view.authority, kind, opened))
  checkEnvelope(view.authority, query as Verified, clock.nowSeconds())
  refuseRevoked(view, kind, query)
  return query.claims
}

/** A stolen key learns nothing more once it is revoked. Operators, whose revoked keys count for nothing, see what goes on under any revoke. */
function refuseRevoked(
  { authority }: AuthorityView,
  kind: PartyKind,
  { claims: { iss }, jws: { kid } }: Verified<typeof queryMessage>,
): void {
  if (kind === 'operator') return
  const user = kind === 'approver' ? authority.trust.record('approver', iss)?.record.user : undefined
  const refusal = authority.control.refusalOf({
    ...(kind === 'agent' && { agent: iss }),
    users: user === undefined ? [] : [user],
    keys: [kid],
  })
  if (refusal !== undefined) throw new Fault(refusal.code, refusal)
}

function pageOf(deps: AnswerQueryDeps, kind: string, id: string, what: Query['what'], args: Args): Promise<Page> {
  switch (what) {
    case 'intents':
      return intents(deps, kind === 'agent' ? id : args.agent_id, args)
    case 'pending':
      return pending(deps, id, args)
    case 'registry':
      return args.kind === 'key' ? endorsements(deps, args) : registry(deps, args.kind, args)
    case 'tokens':
      return tokens(deps, args)
  }
}

/** Statuses, in the order in which the intents changed last. `after`: the bucket's revision of the last one. */
async function intents(deps: AnswerQueryDeps, agentId: string | undefined, args: Args): Promise<Page> {
  const prefix = bucketSubjects('intents').slice(0, -1)
  const page = new PageOf(args)
  const filter = `${prefix}${agentId ?? '*'}.*`
  for await (const { subject, data, seq } of deps.bus.read('KV_intents', { fromSeq: position(args) + 1, filter })) {
    if (!isStateKey(subject.slice(prefix.length)) || data.length < 2) continue
    const record = parseRecord(data)
    const at = subjects(deps.region).status(record.agent_id, record.intent_id)
    const said = await deps.bus.last('STATUS', at)
    const item = said === undefined ? await sayAgain(deps, record) : Buffer.from(said.data).toString('latin1')
    if (!page.add(item, String(seq))) return page.end()
  }
  return page.end()
}

/** STATUS forgets; the bucket knows longer. */
function sayAgain(deps: AnswerQueryDeps, record: Parameters<typeof statusBody>[0]): Promise<string> {
  const envelope = { iss: 'intent-gateway', aud: deps.view.authority.audience, iat: deps.clock.nowSeconds() }
  return deps.sign(statusMessage, { ...envelope, ...structuredClone(statusBody(record)) })
}

/** Approval requests that the approver may answer, by the intent's key. */
async function pending(deps: AnswerQueryDeps, approverId: string, args: Args): Promise<Page> {
  const page = new PageOf(args)
  const waiting = [...deps.records.index.entries()]
    .filter(({ record }) => !isDone(record) && record.state === 'needs_approval')
    .filter(({ record }) => approversOf(deps.view, record).includes(approverId))
    .filter(({ key }) => args.after === undefined || key > args.after)
    .sort((a, b) => (a.key < b.key ? -1 : 1))
  for (const { key, record } of waiting) {
    const file = record.decisions.shown === undefined ? undefined : await deps.files.read(key, record.decisions.shown.n)
    if (file === undefined) continue
    const claims = requestClaims(deps, record, await deps.records.intent(key), file.decision)
    if (!page.add(await deps.sign(approvalRequestMessage, claims), key)) break
  }
  return page.end()
}

/** The filed values in force, removals included, by kind and id. `after`: `<kind>.<id>`. */
async function registry(deps: AnswerQueryDeps, kind: RecordKind | undefined, args: Args): Promise<Page> {
  await deps.view.catchUp()
  const { trust } = deps.view.authority
  const page = new PageOf(args)
  for (const each of kind === undefined ? RECORD_KINDS.toSorted() : [kind]) {
    for (const id of trust.ids(each)) {
      const name = `${each}.${id}`
      if (args.after !== undefined && name <= args.after) continue
      const value = trust.valueOf(each, id)
      if (value !== undefined && !page.add(value, name)) return page.end()
    }
  }
  return page.end()
}

/** Endorsements of services' keys as they were filed. `after`: their sequence in SIGNERS. */
async function endorsements(deps: AnswerQueryDeps, args: Args): Promise<Page> {
  const page = new PageOf(args)
  const filter = subjects(deps.region).registry('key', ANY)
  for await (const { data, seq } of deps.bus.read('SIGNERS', { fromSeq: position(args) + 1, filter }))
    if (!page.add(Buffer.from(data).toString('latin1'), String(seq))) break
  return page.end()
}

async function tokens({ ask }: AnswerQueryDeps, { agent_id, after, limit = LIMIT }: Args): Promise<Page> {
  const reply = await ask(listRpc, {
    limit,
    ...(agent_id !== undefined && { agent_id }),
    ...(after !== undefined && { after }),
  })
  if (!reply.ok) throw new Fault(reply.code, { message: reply.message })
  return { items: reply.items, ...(reply.next !== undefined && { next: reply.next }) }
}

function position({ after }: Args): number {
  if (after === undefined) return 0
  if (!/^\d{1,15}$/.test(after)) throw new Fault('malformed', { message: 'No page ends there.' })
  return Number(after)
}

/** Items of one answer, up to a count and a size. */
class PageOf {
  readonly #items: string[] = []
  readonly #limit: number
  #bytes = 0
  #last: string | undefined
  #more = false

  constructor({ limit = LIMIT }: Args) {
    this.#limit = limit
  }

  /** False: it did not fit, and another page follows. */
  add(item: string, position: string): boolean {
    const full =
      this.#items.length >= this.#limit || (this.#bytes + item.length > PAGE_BYTES_MAX && this.#items.length > 0)
    if (full) {
      this.#more = true
      return false
    }
    this.#items.push(item)
    this.#bytes += item.length + 3
    this.#last = position
    return true
  }

  end(): Page {
    return { items: this.#items, ...(this.#more && this.#last !== undefined && { next: this.#last }) }
  }
}
