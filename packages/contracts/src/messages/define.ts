import type { z } from 'zod'
import type { PartyKind, ServiceRole } from './common.ts'

/** One `typ` of CONTRACT section 4: who may sign it, how large it may be, how long it may live. */
export interface Message<S extends z.ZodType = z.ZodType> {
  readonly typ: string
  /** Kinds of registered parties, or the one service role, whose keys sign it. `anchor`: the role's anchor key. */
  readonly signers: readonly (PartyKind | ServiceRole | 'anchor')[]
  readonly schema: S
  readonly bytesMax: number
  /** `exp − iat` at most, where the contract bounds it. */
  readonly lifetimeSecondsMax?: number
}

export type ClaimsOf<M extends Message> = z.output<M['schema']>

export function defineMessage<S extends z.ZodType>(message: Message<S>): Message<S> {
  return Object.freeze(message)
}
