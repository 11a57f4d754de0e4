import { type ClaimsOf, Fault, type Message } from '@writ/contracts'
import type { z } from 'zod'
import { parseJws, signJws, type UnverifiedJws } from './jws.ts'
import type { Signer } from './signer.ts'

/** A message whose form and claims fit its schema, and whose signature and signer nobody has checked yet. */
export interface Unverified<M extends Message = Message> {
  readonly message: M
  readonly jws: UnverifiedJws
  readonly claims: ClaimsOf<M>
}

/**
 * The first rows of CONTRACT section 6, in their order: size, form, `typ`, claims.
 * Throws Fault `too_large`, `malformed`, `unsupported_type`.
 */
export function openMessage<M extends Message>(message: M, body: Uint8Array | string): Unverified<M> {
  return asMessage(message, parseJws(body, message.bytesMax))
}

/** The same for a subject that carries several types; the largest of their limits applies until the type is known. */
export function openOneOf<M extends Message>(messages: readonly M[], body: Uint8Array | string): Unverified<M> {
  const jws = parseJws(body, Math.max(...messages.map(({ bytesMax }) => bytesMax)))
  const message = messages.find(({ typ }) => typ === jws.typ)
  if (message === undefined)
    throw new Fault('unsupported_type', { message: 'A message of this type does not belong here.' })
  if (Buffer.byteLength(body) > message.bytesMax)
    throw new Fault('too_large', { message: `The message is over ${message.bytesMax} bytes.` })
  return asMessage(message, jws)
}

export function asMessage<M extends Message>(message: M, jws: UnverifiedJws): Unverified<M> {
  if (jws.typ !== message.typ)
    throw new Fault('unsupported_type', { message: 'A message of this type does not belong here.' })
  const parsed = message.schema.safeParse(jws.payload)
  if (!parsed.success) {
    throw new Fault('malformed', { message: 'The claims do not fit the message type.', cause: parsed.error })
  }
  return { message, jws, claims: parsed.data as ClaimsOf<M> }
}

/** Signs a message of ours. The claims are checked against the schema first: what we send is as strict as what we take. */
export function signMessage<M extends Message>(
  signer: Signer,
  message: M,
  claims: z.input<M['schema']>,
): Promise<string> {
  const parsed = message.schema.safeParse(claims)
  if (!parsed.success)
    throw new Fault('internal', { message: `Our own ${message.typ} does not fit its schema.`, cause: parsed.error })
  return signJws(signer, message.typ, claims as object)
}
