import { Fault } from '@writ/contracts'
import { HASH_BYTES } from './merkle.ts'
import { decodeBase64 } from './note-key.ts'

/** Most hashes that a request may hold (C2SP tlog-witness). */
const HASHES_MAX = 63

/** What a log sends to a witness: "you knew me at this size, and here is how I grew" (C2SP tlog-witness, `add-checkpoint`). */
export interface AddCheckpoint {
  /** Size of the checkpoint that the witness cosigned last; 0: none. */
  readonly older: number
  /** RFC 6962 consistency proof from there. */
  readonly proof: readonly Uint8Array[]
  /** The signed note, verbatim. */
  readonly checkpoint: string
}

export function formatAddCheckpoint({ older, proof, checkpoint }: AddCheckpoint): string {
  return [`old ${older}`, ...proof.map((hash) => Buffer.from(hash).toString('base64')), '', checkpoint].join('\n')
}

/** Throws Fault `malformed`. Nothing is verified yet. */
export function parseAddCheckpoint(text: string): AddCheckpoint {
  const end = text.indexOf('\n\n')
  const [first = '', ...hashes] = end < 0 ? [] : text.slice(0, end).split('\n')
  const older = /^old (0|[1-9][0-9]{0,15})$/.exec(first)?.[1]
  const proof = hashes.map((hash) => decodeBase64(hash))
  const checkpoint = text.slice(end + 2)
  if (older === undefined || !Number.isSafeInteger(Number(older)) || proof.length > HASHES_MAX || checkpoint === '')
    throw malformed()
  return { older: Number(older), proof: proof.map(requireHash), checkpoint }
}

function requireHash(hash: Uint8Array | undefined): Uint8Array {
  if (hash?.length !== HASH_BYTES) throw malformed()
  return hash
}

const malformed = (): Fault => new Fault('malformed', { message: 'Not a request to add a checkpoint.' })
