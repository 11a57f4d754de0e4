import { randomUUID } from 'node:crypto'
import type { Session } from '@writ/agent-sdk'
import { isRefusal } from '@writ/bus'
import { type Control, controlMessage, Fault } from '@writ/contracts'
import { sha256, signMessage } from '@writ/keys'
import { checkClaims } from './check-claims.ts'

/** What an operator says to everyone; the rest of a control message is filled in. */
export type ControlWord =
  | {
      readonly command: 'genesis'
      readonly stream: string
      readonly follows?: { readonly stream: string; readonly seq: number }
    }
  | { readonly command: 'revoke'; readonly scope: string; readonly id?: string; readonly quarantine?: boolean }
  | { readonly command: 'lift'; readonly lifts: number }

const TRIES = 20

/**
 * Publishes a control message straight to the stream, conditional on the last one that was read. Resolves with its sequence
 * when JetStream has acknowledged it: then it is recorded, and no service of ours was in its path. A message whose
 * acknowledgement was lost is looked for before it is sent again. One that every reader would skip is not sent: it withdraws nothing.
 * Throws Fault `unavailable`, `malformed` where an id or the reason is none, and why a message would be void.
 */
export async function publishControl(
  session: Session,
  word: ControlWord,
  reason: string,
): Promise<{ readonly seq: number; readonly digest: string }> {
  const { bus, subjects, signer, reader, authority, id } = session
  for (let tries = 1; ; tries++) {
    await reader.control()
    const last = await bus.lastBySubject('CONTROL', subjects.controlAll)
    const claims = {
      iss: id,
      aud: authority.audience,
      iat: Math.floor(Date.now() / 1000),
      jti: randomUUID(),
      prev: authority.control.seq,
      reason,
      ...word,
    } as Control
    checkClaims(controlMessage.schema, claims, `The ${word.command}`)
    const body = await signMessage(signer, controlMessage, claims)
    const refusal = authority.control.whyVoid({ operatorId: id, data: Buffer.from(body) })
    if (refusal !== undefined) throw new Fault(refusal.code, refusal)
    try {
      const expectLast = { seq: last?.seq ?? 0, subject: subjects.controlAll }
      const { seq } = await bus.store(subjects.control(id), body, { stream: 'CONTROL', expectLast })
      return { seq, digest: sha256(body) }
    } catch (error) {
      const found = isRefusal(error, 'wrong-last-sequence') ? undefined : await findStored(session, body)
      if (found !== undefined) return found
      if (tries === TRIES || !(error instanceof Fault) || error.code !== 'unavailable') throw error
    }
  }
}

async function findStored(
  { bus, subjects, id }: Session,
  body: string,
): Promise<{ seq: number; digest: string } | undefined> {
  const digest = sha256(body)
  for await (const stored of bus.read('CONTROL', { fromSeq: 1, filter: subjects.control(id) })) {
    if (sha256(stored.data) === digest) return { seq: stored.seq, digest }
  }
  return undefined
}
