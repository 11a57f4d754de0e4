import { randomBytes } from 'node:crypto'
import {
  AUDIT_BYTES_MAX,
  AuditEvent,
  auditMessage,
  type EventDocument,
  Fault,
  type JsonObject,
  type ServiceRole,
} from '@writ/contracts'
import { assertIJson, digestOf, type Signer, signPayload, toBase64url } from '@writ/keys'
import type { NewEvent } from './events.ts'
import type { Head, Kept } from './outbox.ts'
import { uuidV7 } from './uuid-v7.ts'

const ES256_OR_EDDSA_SIGNATURE_CHARACTERS = 86

export interface ChainOptions {
  readonly region: string
  readonly role: ServiceRole | 'gateway'
  readonly instance: string
  readonly boot: string
  readonly signer: Signer
  readonly nowMs: () => number
  readonly random?: (bytes: number) => Uint8Array
}

/** Makes events and signed messages of one source: what is put in them, never where they go. */
export class Chain {
  readonly source: string
  /** What the events of one message may take as JSON, with a comma each. */
  readonly eventBytesMax: number
  readonly #options: ChainOptions

  constructor(options: ChainOptions) {
    this.#options = options
    this.source = `${options.role}/${options.instance}/${options.boot}`
    const header = toBase64url(
      JSON.stringify({ alg: options.signer.alg, kid: options.signer.kid, typ: auditMessage.typ }),
    )
    const payloadMax = Math.floor(((AUDIT_BYTES_MAX - header.length - 2 - ES256_OR_EDDSA_SIGNATURE_CHARACTERS) * 3) / 4)
    const largestHead = { source: this.source, seq: Number.MAX_SAFE_INTEGER - 1, digest: 'A'.repeat(43) }
    this.eventBytesMax = payloadMax - JSON.stringify(this.#claims(largestHead, [])).length
  }

  /** Gives an event its id and time. Throws Fault `internal` if it does not fit the contract, `too_large` if no message can hold it. */
  event(fields: NewEvent): { readonly json: string; readonly bytes: number } {
    const nowMs = this.#options.nowMs()
    const event_id = uuidV7(nowMs, this.#options.random ?? randomBytes)
    const parsed = AuditEvent.safeParse({ event_id, timestamp: new Date(nowMs).toISOString(), ...fields })
    if (!parsed.success) {
      throw new Fault('internal', { message: 'Our own audit event does not fit its schema.', cause: parsed.error })
    }
    assertIJson({ events: [parsed.data as JsonObject] })
    const json = JSON.stringify(parsed.data)
    const bytes = Buffer.byteLength(json)
    if (bytes + 1 > this.eventBytesMax) {
      throw new Fault('too_large', { message: `An audit event is over ${this.eventBytesMax} bytes.` })
    }
    return { json, bytes }
  }

  /** Signs the message that follows `head`. `events`: their JSON, as `event` made it. */
  async sign(head: Head | undefined, events: readonly string[]): Promise<Kept> {
    const claims = this.#claims(head, [])
    // The events' texts as they were measured: `events` is the last member, and empty here.
    const json = `${JSON.stringify(claims).slice(0, -2)}${events.join(',')}]}`
    const compact = await signPayload(this.#options.signer, auditMessage.typ, json)
    if (compact.length > AUDIT_BYTES_MAX) {
      throw new Fault('internal', { message: `An audit message grew over ${AUDIT_BYTES_MAX} bytes.` })
    }
    return { source: this.source, seq: claims.seq, digest: digestOf(compact), bytes: Buffer.from(compact) }
  }

  #claims(head: Head | undefined, events: readonly []) {
    const { region, role, instance, nowMs } = this.#options
    return {
      iss: role === 'gateway' ? instance : role,
      aud: `writ:${region}`,
      iat: Math.floor(nowMs() / 1000),
      source: this.source,
      seq: head === undefined ? 0 : head.seq + 1,
      ...(head !== undefined && { prev: head.digest }),
      events,
    }
  }
}

/** A signed message as it travels in the clear. Only decisions, endorsements, redeems and attestation results may. */
export function clearDocument(typ: string, jws: string): EventDocument {
  return { typ, digest: digestOf(jws), jws }
}
