import {
  ANSWER_AGE_SECONDS_MAX,
  type ClaimsOf,
  Fault,
  type Message,
  type PartyKind,
  type PublicJwk,
  type ReasonCode,
  type ServiceRole,
} from '@writ/contracts'
import { checkAudience, checkTimes, openMessage, thumbprint, type Unverified, verifyJws } from '@writ/keys'
import type { Authority } from './authority.ts'

declare const verified: unique symbol

/** A message whose signature is by a key of the signer it names. Its times, and whether it is revoked, are separate questions. */
export interface Verified<M extends Message = Message> extends Unverified<M> {
  readonly [verified]: true
}

function mark<M extends Message>(opened: Unverified<M>): Verified<M> {
  return opened as Verified<M>
}

const UNREGISTERED: Record<PartyKind, ReasonCode> = {
  agent: 'unknown_agent',
  approver: 'not_an_approver',
  gateway: 'unknown_key',
  operator: 'unknown_key',
}

type WithIss = { readonly iss: string; readonly aud: string; readonly iat: number; readonly exp?: number }
const issOf = (opened: Unverified): WithIss => opened.claims as WithIss

/** Throws Fault `wrong_subject` unless the signer it names is the id of the subject. */
export function checkSubject(opened: Unverified, id: string): void {
  if (issOf(opened).iss !== id)
    throw new Fault('wrong_subject', { message: 'The signer is not the one of the subject.' })
}

/** Throws the code of an unregistered signer, `unknown_key`, `bad_signature`. `keys`: of the signer's record in force. */
export function verifyWithKeys<M extends Message>(
  opened: Unverified<M>,
  kind: PartyKind,
  keys: readonly PublicJwk[] | undefined,
): Verified<M> {
  if (keys === undefined) throw new Fault(UNREGISTERED[kind], { message: `No such ${kind} is registered.` })
  const key = keys.find((candidate) => thumbprint(candidate) === opened.jws.kid)
  if (key === undefined) throw new Fault('unknown_key', { message: `The key is not one of the ${kind}’s.` })
  verifyJws(opened.jws, key)
  return mark(opened)
}

/** Verifies a message of an agent, gateway, approver or operator against its record in force (operators: any version). */
export function verifyParty<M extends Message>(
  authority: Authority,
  kind: PartyKind,
  opened: Unverified<M>,
): Verified<M> {
  const { iss } = issOf(opened)
  if (kind === 'operator') return verifyOperator(authority, opened)
  return verifyWithKeys(opened, kind, authority.trust.record(kind, iss)?.record.keys)
}

function verifyOperator<M extends Message>({ trust, control }: Authority, opened: Unverified<M>): Verified<M> {
  const { kid } = opened.jws
  const key = control.keyWasRevoked(kid) ? undefined : trust.operatorKey(issOf(opened).iss, kid)
  return verifyWithKeys(opened, 'operator', key === undefined ? [] : [key])
}

/**
 * Verifies a service's message: an endorsement for the role covers its `iat`, and no standing revoke names the key.
 * Throws Fault `wrong_subject`, `unknown_key`, `wrong_role`, `bad_signature`, `wrong_audience`.
 */
export function verifyService<M extends Message>(
  authority: Authority,
  role: ServiceRole,
  opened: Unverified<M>,
): Verified<M> {
  const claims = issOf(opened)
  const iss = opened.message.typ === 'writ-token+jwt' ? authority.audience : role
  if (claims.iss !== iss) throw new Fault('wrong_subject', { message: `The message is not ${role}’s.` })
  verifyJws(opened.jws, authority.trust.serviceKey(role, opened.jws.kid, claims.iat))
  if (opened.message.typ !== 'writ-token+jwt') checkAudience(claims, authority.audience)
  return mark(opened)
}

/**
 * Opens and verifies a live answer (redeemed, result, answer, challenge, sealed): the endorsement is in force now and `iat` is
 * at most 30 s old (CONTRACT section 5). `request`: the digest of the request that it must be about.
 */
export function openAnswer<M extends Message>(
  authority: Authority,
  role: ServiceRole,
  message: M,
  body: Uint8Array | string,
  nowSeconds: number,
): ClaimsOf<M> {
  const opened = verifyService(authority, role, openMessage(message, body))
  authority.trust.serviceKey(role, opened.jws.kid, nowSeconds)
  checkTimes(issOf(opened), nowSeconds)
  if (nowSeconds - issOf(opened).iat > ANSWER_AGE_SECONDS_MAX)
    throw new Fault('expired', { message: 'The answer is too old.' })
  return opened.claims
}

/** `aud`, then `iat`, `exp` and lifetime at `atSeconds`, for a verified message. */
export function checkEnvelope(authority: Authority, { claims, message }: Verified, atSeconds: number): void {
  checkAudience(claims as WithIss, authority.audience)
  checkTimes(claims as WithIss, atSeconds, message)
}
