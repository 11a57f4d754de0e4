import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { verifyService } from '@writ/authority'
import { inSpan, type Trace } from '@writ/bus'
import {
  answerMessage,
  cancelMessage,
  Fault,
  type Intent,
  intentMessage,
  type JsonObject,
  queryMessage,
  resultMessage,
  type Status,
  statusMessage,
} from '@writ/contracts'
import { digestOf, openMessage, readEnrolment, signMessage } from '@writ/keys'
import { ask } from './ask.ts'
import { type FinishedIntent, followIntent } from './follow-intent.ts'
import { openSession, type Session, type SessionOptions } from './session.ts'
import { StatusFeed } from './status-feed.ts'

/** What an agent asks for: the claims of a `writ-intent+jwt` that are its own to choose. */
export interface IntentRequest {
  /** Name of an action that its record and policy allow, such as `restart`. */
  readonly action: string
  /** 1 to 100 device ids, each once. Each becomes a step; devices of several gateways become several plans. */
  readonly targets: readonly string[]
  /** One of the users that the agent's record names. */
  readonly onBehalfOf: string
  /** Why, for the people who approve and audit: 1 to 1,000 code points, no control characters but LF. */
  readonly purpose: string
  /** Parameters of the action: a JSON object of at most 8 KiB in RFC 8785 form. Policy bounds them; approvers see them. */
  readonly params?: JsonObject
  /** `jti`: unique for this agent for good; a fresh one when absent. */
  readonly intentId?: string
  /** How long the broker may still take it, seconds; at most 600, 300 when absent. */
  readonly lifetimeSeconds?: number
}

/** An intent that JetStream has acknowledged: it survives a crash of the broker. Nothing is decided yet. */
export interface SubmittedIntent {
  /** Its `jti`. What is refused before it owns that id has its status under `rejected-<first 16 of the digest>` (`statusIdsOf`). */
  readonly id: string
  /** Base64url SHA-256 of its JWS signing input: the name under which statuses, decisions and evidence know it. */
  readonly digest: string
  /** The exact signed message. */
  readonly compact: string
  /** Unix seconds; after it nothing new is decided about it. */
  readonly expires: number
  /** W3C trace context: under its trace id services and gateways log and trace what they do about it. */
  readonly traceparent: string
  /**
   * Verified statuses as they come, each once, in order, until the final one (`isFinal`); some may be passed over where they follow one
   * another fast. A refusal is a status (`denied` with its reasons), no error. Each call follows anew from the current status.
   *
   * Throws Fault `unavailable` when the intent has expired and no status ever came, a Fault with the code of what fails when a status
   * does not verify, and `signal.reason` when `signal` aborts. While the bus is away it waits.
   */
  statuses(signal?: AbortSignal): AsyncIterable<Status>
  /**
   * The final status and the gateway-signed outcomes, verified. It resolves however the intent ended: look at `status.state`. Throws as
   * `statuses` does.
   */
  done(signal?: AbortSignal): Promise<FinishedIntent>
}

/**
 * An enrolled agent. It holds no device credential: it signs what it wants, and follows what becomes of it.
 *
 * ```ts
 * await using agent = await connectAgent({ enrolment: 'agents/maintenance' })
 * const intent = await agent.submit({
 *   action: 'restart', targets: ['press-07'], onBehalfOf: 'u-anna', purpose: 'Clear the fault after the tool change.',
 * })
 * const { status, outcomes } = await intent.done()
 * ```
 */
export interface Agent extends AsyncDisposable {
  /** The agent_id of its enrolment package. */
  readonly id: string
  /**
   * Signs and publishes; resolves when the intent is stored, and repeats the same bytes until then or until it expires. Throws Fault
   * `malformed` before anything is sent when the request is not valid, `unavailable` when it expired before it was stored.
   */
  submit(request: IntentRequest): Promise<SubmittedIntent>
  /**
   * Asks for an intent to be cancelled (`writ-cancel+jwt`); resolves when that is stored. Steps that were redeemed run on. Follow the
   * intent to see what became of it. Throws Fault `unavailable` when it could not be stored within 300 s.
   */
  cancel(intent: Pick<SubmittedIntent, 'digest'>): Promise<void>
  /** The current status of one of this agent's intents, verified; undefined: nothing is known of it. Throws Fault `unavailable`. */
  status(intentId: string): Promise<Status | undefined>
  /**
   * The broker's latest statuses of this agent's intents, verified; `limit` 1 to 1,000, `after` the `next` of the answer before. Throws a
   * Fault with the broker's code when it refuses, `unavailable` when it does not answer.
   */
  list(options?: {
    limit?: number
    after?: string
  }): Promise<{ readonly items: readonly Status[]; readonly next?: string }>
  /** Closes the connection; `await using` does the same. Intents that were submitted go on. */
  close(): Promise<void>
}

/**
 * Connects an agent with its enrolment package and its key. Throws Fault `wrong_role` when the package is not an agent's, before anything is
 * connected; `unavailable` when a file or the bus cannot be had in time, or the bus does not let this agent hear of its intents; `malformed` when
 * the package or the key is none; the reason of `signal` when that aborts first. No connection is left after any of them.
 */
export async function connectAgent(options: SessionOptions): Promise<Agent> {
  const { kind, id, folder } = await readEnrolment(options.enrolment)
  if (kind !== 'agent')
    throw new Fault('wrong_role', { message: `This is for agents, and ${folder} is ${kind} ${id}’s.` })
  const session = await openSession(options)
  const feed = new StatusFeed(session)
  try {
    await feed.open()
  } catch (error) {
    await session[Symbol.asyncDispose]()
    throw error
  }
  const close = async (): Promise<void> => {
    feed.close()
    await session[Symbol.asyncDispose]()
  }
  return {
    id: session.id,
    submit: (request) => submit(session, feed, request),
    cancel: (intent) => cancel(session, intent.digest),
    status: (intentId) => feed.status(intentId),
    list: (where) => list(session, where ?? {}),
    close,
    [Symbol.asyncDispose]: close,
  }
}

const nowSeconds = (): number => Math.floor(Date.now() / 1000)
const CANCEL_SECONDS = 300
const QUERY_SECONDS = 30
const PUBLISH_AGAIN_MS = 500

async function submit(session: Session, feed: StatusFeed, request: IntentRequest): Promise<SubmittedIntent> {
  const iat = nowSeconds()
  const claims: Intent = {
    iss: session.id,
    aud: session.authority.audience,
    iat,
    exp: iat + (request.lifetimeSeconds ?? 300),
    jti: request.intentId ?? randomUUID(),
    on_behalf_of: request.onBehalfOf,
    action: request.action,
    targets: [...request.targets],
    ...(request.params !== undefined && { params: request.params }),
    purpose: request.purpose,
  }
  const compact = await signed(session, claims)
  const about = { id: claims.jti, digest: digestOf(compact), expires: claims.exp }
  const span = { kind: 'producer', attributes: { 'writ.intent_digest': about.digest } } as const
  const trace = await inSpan('intent', span, async ({ trace: own }) => {
    await publish(session, compact, claims.exp, own)
    return own
  })
  const sendAgain = async () => {
    await session.bus.store(session.subjects.intent(session.id), compact, { stream: 'INTENTS', trace })
  }
  const named = { ...about, sendAgain }
  return {
    ...about,
    compact,
    traceparent: trace.traceparent,
    statuses: (signal) => followIntent(feed, named, signal).statuses,
    done: (signal) => followIntent(feed, named, signal).done(),
  }
}

/** A mistake in what is asked for is the caller's, and is said before anything leaves. */
async function signed(session: Session, claims: Intent): Promise<string> {
  const parsed = intentMessage.schema.safeParse(claims)
  if (!parsed.success) {
    const fields = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ')
    throw new Fault('malformed', { message: `The intent is not valid: ${fields}.`.slice(0, 1000), cause: parsed.error })
  }
  return signMessage(session.signer, intentMessage, claims)
}

async function publish({ bus, subjects, id }: Session, body: string, expires: number, trace?: Trace): Promise<void> {
  for (;;) {
    try {
      await bus.store(subjects.intent(id), body, { stream: 'INTENTS', trace })
      return
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== 'unavailable' || nowSeconds() >= expires) throw error
    }
    await delay(PUBLISH_AGAIN_MS)
  }
}

async function cancel(session: Session, intentDigest: string): Promise<void> {
  const iat = nowSeconds()
  const exp = iat + CANCEL_SECONDS
  const claims = {
    iss: session.id,
    aud: session.authority.audience,
    iat,
    exp,
    jti: randomUUID(),
    intent_digest: intentDigest,
  }
  await publish(session, await signMessage(session.signer, cancelMessage, claims), exp)
}

async function list(
  session: Session,
  args: { limit?: number; after?: string },
): Promise<{ readonly items: readonly Status[]; readonly next?: string }> {
  const iat = nowSeconds()
  const claims = {
    iss: session.id,
    aud: session.authority.audience,
    iat,
    exp: iat + QUERY_SECONDS,
    jti: randomUUID(),
    what: 'intents' as const,
    args,
  }
  const { typ, claims: answer } = await ask(session, {
    subject: session.subjects.query('agent', session.id),
    body: await signMessage(session.signer, queryMessage, claims),
    from: 'intent-gateway',
    replies: [answerMessage, resultMessage],
  })
  if (!('items' in answer))
    throw new Fault(answer.code ?? 'internal', { message: answer.message ?? `Refused (${typ}).` })
  const items = await Promise.all(
    answer.items.map((item) =>
      session.withKeys(
        () => verifyService(session.authority, 'intent-gateway', openMessage(statusMessage, item)).claims,
      ),
    ),
  )
  return { items, ...(answer.next !== undefined && { next: answer.next }) }
}
