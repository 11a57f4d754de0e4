import { isFault, type ReasonCode } from '@writ/contracts'
import { type Admitted, admit, type Candidate } from '../core/admit.ts'
import { auditEntry } from '../core/audit-entry.ts'
import type { Digests, KnownDigests } from '../core/source-heads.ts'
import type { AuditStream, StoredMessage } from './audit-stream.ts'
import type { LogState } from './log-state.ts'
import type { StreamPosition } from './seal.ts'

/** What a seal takes of each stream: large enough that under load its round trips and flushes weigh little beside what it brings. */
const COUNT_MAX = 8192
const BYTES_MAX = 16 * 2 ** 20

/** A stored message that does not enter the log, and why. It is settled all the same: it never becomes better. */
export interface RefusedMessage {
  readonly stream: string
  readonly message: StoredMessage
  readonly code: ReasonCode
}

export interface Batch extends Admitted {
  /** Position of each stream once this batch is sealed. */
  readonly positions: Readonly<Record<string, StreamPosition>>
  readonly refused: readonly RefusedMessage[]
  /** Whether a stream holds more than one batch takes. */
  readonly more: boolean
}

/** Digests under used numbers that `known` has not at hand. */
export type LookUp = (source: string, seq: number) => Promise<Digests>

/**
 * Reads what lies beyond the sealed positions and judges it. The streams follow one another within a batch; which of several writers' batches counts is
 * decided by the reservation of its seal.
 */
export async function readBatch(
  state: LogState,
  streams: readonly AuditStream[],
  known: { readonly digests: KnownDigests; readonly lookUp: LookUp },
): Promise<Batch> {
  const reads = await Promise.all(streams.map((stream) => readStream(stream, state.streams[stream.name])))
  const refused: RefusedMessage[] = []
  const candidates = reads.flatMap(({ stream, messages }) =>
    messages.map((message) => candidateOf(stream, message, refused)),
  )
  const admitted = await judge(state, candidates, known)
  const positions = Object.fromEntries(
    reads.map(({ stream, created, from }) => [stream, { created, seq: admitted.settled.get(stream) ?? from }]),
  )
  const settled = ({ stream, message }: RefusedMessage): boolean => message.seq <= (admitted.settled.get(stream) ?? 0)
  return { ...admitted, positions, refused: refused.filter(settled), more: reads.some(({ full }) => full) }
}

interface StreamRead {
  readonly stream: string
  readonly created: string
  readonly from: number
  readonly messages: readonly StoredMessage[]
  readonly full: boolean
}

/**
 * A stream that was created again, or set back by a restored backup, is read from its start: what is in the log already is recognised. Its identity is
 * asked before and after, so that no numbers of one stream are taken for those of another.
 */
async function readStream(stream: AuditStream, sealed: StreamPosition | undefined): Promise<StreamRead> {
  for (;;) {
    const { created, lastSeq } = await stream.identity()
    const from = sealed !== undefined && sealed.created === created && sealed.seq <= lastSeq ? sealed.seq : 0
    const messages = await stream.read(from + 1, { countMax: COUNT_MAX, bytesMax: BYTES_MAX })
    const after = await stream.identity()
    if (after.created !== created || after.lastSeq < lastSeq) continue
    const last = messages.at(-1)?.seq ?? from
    return { stream: stream.name, created, from, messages, full: last < lastSeq && messages.length > 0 }
  }
}

function candidateOf(stream: string, message: StoredMessage, refused: RefusedMessage[]): Candidate {
  try {
    return { stream, seq: message.seq, entry: auditEntry(message.body, message.source) }
  } catch (error) {
    if (!isFault(error)) throw error
    refused.push({ stream, message, code: error.code })
    return { stream, seq: message.seq }
  }
}

async function judge(
  state: LogState,
  candidates: readonly Candidate[],
  { digests, lookUp }: { readonly digests: KnownDigests; readonly lookUp: LookUp },
): Promise<Admitted> {
  const found = new Map<string, Digests>()
  for (;;) {
    const judged = admit(
      state.sources,
      state.edge.size,
      candidates,
      (source, seq) => found.get(`${source} ${seq}`) ?? digests(source, seq),
    )
    if ('admitted' in judged) return judged.admitted
    for (const { source, seq } of judged.unknown) found.set(`${source} ${seq}`, await lookUp(source, seq))
  }
}
