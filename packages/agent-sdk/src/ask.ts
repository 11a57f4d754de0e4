import { openAnswer } from '@writ/authority'
import { type ClaimsOf, Fault, type Message, type ServiceRole } from '@writ/contracts'
import { openOneOf, requestDigest } from '@writ/keys'
import type { Session } from './session.ts'

/** Unanswered requests are repeated with the same bytes (CONTRACT section 1). */
const REPEAT_MS = 2000
const TRIES = 3

/** A signed request and who may answer it. */
export interface AskOptions<M extends Message> {
  /** Where the request goes, one of `Session.subjects`. */
  readonly subject: string
  /** The exact signed request. */
  readonly body: string
  /** Who must have signed the answer. */
  readonly from: ServiceRole
  /** The types that the answer may be of. */
  readonly replies: readonly M[]
}

/**
 * Sends a signed request, up to three times with the same bytes, 2 s apart, and returns the verified claims of the answer, which must be
 * about this very request. A refusal (`writ-result+jwt` with `ok: false`) is returned, not thrown, where `replies` names it.
 * Throws Fault `unavailable` when nobody answers three times, `unsupported_type` for an answer of another type, `chain_broken` for one
 * about another request, and what the verification of the answer says.
 */
export async function ask<M extends Message>(
  session: Session,
  options: AskOptions<M>,
): Promise<{ readonly typ: string; readonly claims: ClaimsOf<M> }> {
  const reply = await repeated(session, options)
  const message = openOneOf(options.replies, reply).message
  const now = Math.floor(Date.now() / 1000)
  const claims = await session.withKeys(() => openAnswer(session.authority, options.from, message, reply, now))
  const { request } = claims as { readonly request?: string }
  if (request !== requestDigest(Buffer.from(options.body))) {
    throw new Fault('chain_broken', { message: 'The answer is about another request.' })
  }
  return { typ: message.typ, claims }
}

async function repeated<M extends Message>({ bus }: Session, { subject, body }: AskOptions<M>): Promise<Uint8Array> {
  for (let tries = 1; ; tries++) {
    try {
      return await bus.request(subject, body, { timeoutMs: REPEAT_MS })
    } catch (error) {
      if (tries === TRIES || !(error instanceof Fault) || error.code !== 'unavailable') throw error
    }
  }
}
