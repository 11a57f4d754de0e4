import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { verifyService } from '@writ/authority'
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
import { digestOf, openMessage, signMessage } from '@writ/keys'
import { ask } from './ask.ts'
import { type FinishedIntent, followIntent } from './follow-intent.ts'
import { openSession, type Session, type SessionOptions } from './session.ts'
import { StatusFeed } from './status-feed.ts'

/** What an agent asks for. */
export interface IntentRequest {
  /** For example `restart`. */
  readonly action: string
  /** 1 to 100 device ids. */
  readonly targets: readonly string[]
  /** One of the users that the agent's record names. */
  readonly onBehalfOf: string
  /** One sentence for the people who approve and audit. */
  readonly purpose: string
  /** At most 8 KiB as JSON. */
  readonly params?: JsonObject
  /** Unique for this agent; a fresh one when absent. */
  readonly intentId?: string
  /** How long the broker may still take it, seconds; at most 600, 300 when absent. */
  readonly lifetimeSeconds?: number
}

/** An intent that JetStream has acknowledged: it survives a crash of the broker. */
export interface SubmittedIntent {
  readonly id: string
  readonly digest: string
  /** The exact signed message. */
  readonly compact: string
  /** Unix seconds; after it nothing new is decided about it. */
  readonly expires: number
  /** Verified statuses as they come, each once, until the final one. */
  statuses(signal?: AbortSignal): AsyncIterable<Status>
  /** The final status and the gateway-signed outcomes, verified. Throws Fault `unavailable` when no status came in time. */
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
  readonly id: string
  /** Signs and publishes; resolves when the intent is stored, and repeats the same bytes until then or until it expires. */
  submit(request: IntentRequest): Promise<SubmittedIntent>
  /** Asks for an intent to be cancelled; steps that were redeemed run on. Follow the intent to see what became of it. */
  cancel(intent: Pick<SubmittedIntent, 'digest'>): Promise<void>
  /** The current status of one of this agent's intents; undefined: nothing is known of it. */
  status(intentId: string): Promise<Status | undefined>
  /** Statuses of this agent's intents, the broker's latest. */
  list(options?: {
    limit?: number
    after?: string
  }): Promise<{ readonly items: readonly Status[]; readonly next?: string }>
}

/** Connects an agent. Throws Fault `unavailable` when the package or the bus cannot be had. */
export async function connectAgent(options: SessionOptions): Promise<Agent> {
  const session = await openSession(options)
  const feed = new StatusFeed(session)
  await feed.open()
  return {
    id: session.id,
    submit: (request) => submit(session, feed, request),
    cancel: (intent) => cancel(session, intent.digest),
    status: (intentId) => feed.status(intentId),
    list: (where) => list(session, where ?? {}),
    [Symbol.asyncDispose]: async () => {
      feed.close()
      await session[Symbol.asyncDispose]()
    },
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
  await publish(session, compact, claims.exp)
  const about = { id: claims.jti, digest: digestOf(compact), expires: claims.exp }
  const sendAgain = async () => {
    await session.bus.store(session.subjects.intent(session.id), compact, { stream: 'INTENTS' })
  }
  const named = { ...about, sendAgain }
  return {
    ...about,
    compact,
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

async function publish({ bus, subjects, id }: Session, body: string, expires: number): Promise<void> {
  for (;;) {
    try {
      await bus.store(subjects.intent(id), body, { stream: 'INTENTS' })
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
