import type { Bucket } from '@writ/bus'
import { Fault, REASON_CODES, type ReasonCode, Sha256, Text } from '@writ/contracts'
import { z } from 'zod'
import { claimKey } from '../core/intent-record.ts'

export type Answer =
  | { readonly ok: true; readonly version?: number }
  | { readonly ok: false; readonly code: ReasonCode; readonly message: string }

interface Claim {
  readonly digest: string
  readonly answer?: Answer
}

const Value: z.ZodType<Claim> = z.strictObject({
  digest: Sha256,
  answer: z
    .discriminatedUnion('ok', [
      z.strictObject({ ok: z.literal(true), version: z.int().min(1).exactOptional() }),
      z.strictObject({ ok: z.literal(false), code: z.enum(REASON_CODES), message: Text }),
    ])
    .exactOptional(),
})

/**
 * Which message owns a `jti` of an operator or approver, and what it was answered: the same bytes get the same answer, from any replica,
 * and other bytes are a replay. Kept as long as the bucket keeps what is not written again (4 days).
 */
export class Claims {
  readonly #bucket: Bucket

  constructor(bucket: Bucket) {
    this.#bucket = bucket
  }

  /** Throws Fault `unavailable` when it is not known whose the `jti` is. */
  async take(
    kind: 'command' | 'approval',
    id: string,
    jti: string,
    digest: string,
  ): Promise<{ readonly answer?: Answer } | 'another'> {
    const key = claimKey(kind, id, jti)
    if ((await this.#bucket.create(key, JSON.stringify({ digest }))) !== 'exists') return {}
    const entry = await this.#bucket.get(key)
    if (entry === undefined) throw new Fault('unavailable', { message: 'The owner of the jti cannot be read.' })
    const claim = claimIn(entry.value)
    if (claim.digest !== digest) return 'another'
    return claim.answer === undefined ? {} : { answer: claim.answer }
  }

  /** What these very bytes were answered before, where that is remembered. */
  async answered(kind: 'command' | 'approval', id: string, jti: string, digest: string): Promise<Answer | undefined> {
    const entry = await this.#bucket.get(claimKey(kind, id, jti))
    const claim = entry === undefined ? undefined : claimIn(entry.value)
    return claim?.digest === digest ? claim.answer : undefined
  }

  /** Remembers a decided answer. */
  async answer(kind: 'command' | 'approval', id: string, jti: string, digest: string, answer: Answer): Promise<void> {
    await this.#bucket.put(claimKey(kind, id, jti), JSON.stringify({ digest, answer }))
  }
}

function claimIn(value: Uint8Array): Claim {
  try {
    return Value.parse(JSON.parse(Buffer.from(value).toString('utf8')))
  } catch (cause) {
    throw new Fault('unavailable', { message: 'The owner of the jti cannot be read.', cause })
  }
}
