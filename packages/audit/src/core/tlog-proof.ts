import { Fault } from '@writ/contracts'
import { type Checkpoint, openCheckpoint } from './checkpoint.ts'
import { verifiersFor } from './log-verifier.ts'
import { HASH_BYTES, leafHash } from './merkle.ts'
import { verifyInclusion } from './merkle-proof.ts'
import { decodeBase64, type NoteVerifier } from './note-key.ts'

const HEADER = 'c2sp.org/tlog-proof@v1'
const HASHES_MAX = 64

/** One entry's place in a log, to hand to an auditor (C2SP tlog-proof). */
export interface TlogProof {
  readonly index: number
  /** From the leaf to the root. */
  readonly proof: readonly Uint8Array[]
  /** The signed checkpoint, verbatim. */
  readonly checkpoint: string
  readonly extra?: Uint8Array
}

export function formatTlogProof({ index, proof, checkpoint, extra }: TlogProof): string {
  const extras = extra === undefined ? [] : [`extra ${base64(extra)}`]
  return [HEADER, ...extras, `index ${index}`, ...proof.map(base64), '', checkpoint].join('\n')
}

/** Throws Fault `malformed`. Nothing is verified yet: see `verifyTlogProof`. */
export function parseTlogProof(text: string): TlogProof {
  const end = text.indexOf('\n\n')
  const lines = end < 0 ? [] : text.slice(0, end).split('\n')
  if (lines.shift() !== HEADER) throw malformed()
  const extra = lines[0]?.startsWith('extra ') ? bytesOf(lines.shift()?.slice('extra '.length)) : undefined
  const index = /^index (0|[1-9][0-9]{0,15})$/.exec(lines.shift() ?? '')?.[1]
  if (index === undefined || !Number.isSafeInteger(Number(index)) || lines.length > HASHES_MAX) throw malformed()
  const proof = lines.map(bytesOf)
  if (!proof.every((bytes) => bytes.length === HASH_BYTES)) throw malformed()
  const parsed = { index: Number(index), proof, checkpoint: text.slice(end + 2) }
  return extra === undefined ? parsed : { ...parsed, extra }
}

/** The checkpoint under which `entry` stands at `index`. Faults of `openCheckpoint`; `chain_broken` where the hashes do not lead to its root. */
export function verifyTlogProof(proof: TlogProof, entry: Uint8Array, known: readonly NoteVerifier[]): Checkpoint {
  const checkpoint = openCheckpoint(proof.checkpoint, known)
  const { size, root } = checkpoint
  if (!verifyInclusion({ index: proof.index, size, leaf: leafHash(entry), proof: proof.proof, root })) {
    throw new Fault('chain_broken', {
      message: 'The proof does not lead from the entry to the root of the checkpoint.',
    })
  }
  return checkpoint
}

/** The same of any epoch that pinned log keys speak for. Faults of `parseTlogProof` and `verifyTlogProof`. */
export function openLogProof(
  text: string,
  entry: Uint8Array,
  pinned: readonly NoteVerifier[],
): { readonly index: number; readonly checkpoint: Checkpoint } {
  const proof = parseTlogProof(text)
  const origin = proof.checkpoint.slice(0, Math.max(0, proof.checkpoint.indexOf('\n')))
  return { index: proof.index, checkpoint: verifyTlogProof(proof, entry, verifiersFor(origin, pinned)) }
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
const malformed = (): Fault => new Fault('malformed', { message: 'Not a transparency log proof.' })

function bytesOf(text: string | undefined): Uint8Array {
  const bytes = decodeBase64(text ?? '')
  if (bytes === undefined) throw malformed()
  return bytes
}
