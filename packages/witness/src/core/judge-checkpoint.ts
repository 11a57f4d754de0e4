import {
  type AddCheckpoint,
  EMPTY_ROOT,
  type NoteVerifier,
  openCheckpoint,
  parseAddCheckpoint,
  sameHash,
  verifiersFor,
  verifyConsistency,
} from '@writ/audit'
import { isFault } from '@writ/contracts'

/** What a witness knows of one log: the largest tree that it has cosigned. */
export interface Witnessed {
  readonly size: number
  /** RFC 6962 root, 32 bytes. */
  readonly root: Uint8Array
}

/** The answers of `add-checkpoint` (C2SP tlog-witness), by what they mean. */
export type Judgement =
  | { readonly verdict: 'cosign'; readonly origin: string; readonly text: string; readonly tree: Witnessed }
  | { readonly verdict: 'malformed' | 'unknown_log' | 'not_signed' | 'inconsistent'; readonly message: string }
  /** `size`: of the largest tree that was cosigned. */
  | { readonly verdict: 'conflict'; readonly size: number; readonly message: string }

/** A request that is about a log which is known here; its signatures and proof are not verified yet. */
export interface Asked {
  readonly origin: string
  readonly known: readonly NoteVerifier[]
  readonly request: AddCheckpoint
}

/** Finds out which log is meant, so that its record can be read. */
export function readRequest(body: string, pinned: readonly NoteVerifier[]): Asked | Judgement {
  let request: AddCheckpoint
  try {
    request = parseAddCheckpoint(body)
  } catch (error) {
    return refusal('malformed', error)
  }
  const origin = request.checkpoint.slice(0, Math.max(0, request.checkpoint.indexOf('\n')))
  const known = verifiersFor(origin, pinned)
  if (known.length === 0) return { verdict: 'unknown_log', message: 'This witness does not know that log.' }
  return { origin, known, request }
}

/**
 * Whether the checkpoint continues what was cosigned before. Two histories of one log cannot both pass: each next tree is proved to begin with the last
 * one, and of one size there is one root.
 */
export function judgeCheckpoint({ origin, known, request }: Asked, last: Witnessed | undefined): Judgement {
  let checkpoint: ReturnType<typeof openCheckpoint>
  try {
    checkpoint = openCheckpoint(request.checkpoint, known)
  } catch (error) {
    return refusal(isFault(error) && error.code === 'malformed' ? 'malformed' : 'not_signed', error)
  }
  const { size, root } = checkpoint
  const { older, proof } = request
  if (older > size) return { verdict: 'malformed', message: 'The old size is above that of the checkpoint.' }
  const before = last ?? { size: 0, root: EMPTY_ROOT }
  if (older !== before.size)
    return { verdict: 'conflict', size: before.size, message: `The last tree cosigned here has size ${before.size}.` }
  if (older === size && !sameHash(before.root, root))
    return { verdict: 'conflict', size, message: 'Another tree of this size was cosigned here: the log has forked.' }
  if (size === 0 && !sameHash(root, EMPTY_ROOT))
    return { verdict: 'inconsistent', message: 'The root is not that of the empty tree.' }
  if (!verifyConsistency({ older, olderRoot: before.root, size, root, proof }))
    return { verdict: 'inconsistent', message: 'The proof does not lead from the last tree cosigned here to this one.' }
  return { verdict: 'cosign', origin, text: textOf(request.checkpoint), tree: { size, root } }
}

/** What a note's signatures are over. */
const textOf = (note: string): string => note.slice(0, note.lastIndexOf('\n\n') + 1)

function refusal(verdict: 'malformed' | 'not_signed', error: unknown): Judgement {
  if (!isFault(error)) throw error
  return { verdict, message: error.message }
}
