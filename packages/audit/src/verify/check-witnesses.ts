import { isFault } from '@writ/contracts'
import { type NoteVerifier, type OpenedNote, openNote } from '../core/note.ts'
import type { TlogPolicy } from '../core/tlog-policy.ts'
import { checkpointCopyKey, checkpointKey } from '../log/log-keys.ts'
import { type LogPlace, openSigned } from './checkpoints.ts'

/** Up to where the witnesses that a policy demands have cosigned a log. */
export interface Witnessed {
  /** The policy's own name for its quorum; `none`: it demands no cosignature. */
  readonly quorum: string
  /** Size of the largest tree with that quorum: 0 where there is none. Beyond it only the log's own key says that there is one history. */
  readonly size: number
  /** Witnesses of the policy that cosigned this tree, by their key names, with their times in Unix seconds. */
  readonly by: readonly { readonly name: string; readonly timeSeconds: number }[]
}

/**
 * Whether the newest checkpoint carries the cosignatures that a policy demands (C2SP tlog-policy): `not_witnessed` where it does not. An earlier checkpoint
 * that does covers what was in the log by then.
 */
export async function checkWitnesses(place: LogPlace, policy: TlogPolicy): Promise<Witnessed> {
  const { reader, origin, verifiers, findings } = place
  const object = checkpointKey(origin)
  const none = { quorum: policy.quorum, size: 0, by: [] }
  if (policy.logs.length > 0 && !policy.logs.some(({ verifier }) => verifiers.some((key) => sameKey(key, verifier)))) {
    findings.add('not_witnessed', { object }, 'The policy is about other logs: it names none of the pinned log keys.')
    return none
  }
  const newest = await reader.read(object)
  const shown = newest && judge(place, policy, object, newest)
  if (shown?.enough === true) return { quorum: policy.quorum, size: shown.size, by: shown.by }
  const earlier = await newestWitnessed(place, policy)
  const upTo = earlier === undefined ? 'none that is here does' : `the newest that does is of size ${earlier.size}`
  findings.add(
    'not_witnessed',
    { object },
    `The newest checkpoint lacks cosignatures that ${policy.quorum} demands; ${upTo}.`,
  )
  return earlier === undefined ? none : { quorum: policy.quorum, ...earlier }
}

async function newestWitnessed(
  place: LogPlace,
  policy: TlogPolicy,
): Promise<Pick<Witnessed, 'size' | 'by'> | undefined> {
  const { reader, origin } = place
  const sizes: number[] = []
  for await (const name of reader.list(`${origin}.meta/checkpoints/`))
    if (/^\d{20}$/.test(name)) sizes.push(Number(name))
  for (const size of sizes.sort((a, b) => b - a)) {
    const key = checkpointCopyKey(origin, size)
    const note = await reader.read(key)
    const found = note && judge(place, policy, key, note)
    if (found?.enough === true) return { size: found.size, by: found.by }
  }
  return undefined
}

/** Undefined where the log's own signature does not hold: that is found, and reported, elsewhere as well. */
function judge(place: LogPlace, policy: TlogPolicy, object: string, note: Uint8Array) {
  const signed = openSigned(place, object, note)
  if (signed === undefined) return undefined
  const cosigned = cosignaturesOf(Buffer.from(note).toString(), policy)
  const keys = cosigned.map(({ verifier }) => verifier)
  const by = cosigned.map(({ verifier: { name }, timeSeconds }) => ({ name, timeSeconds }))
  return { size: signed.size, by, enough: policy.satisfiedBy(keys) }
}

/** Those of the policy's witnesses that verify. One whose line is there and does not is none: anybody can write such a line. */
function cosignaturesOf(note: string, policy: TlogPolicy): OpenedNote['cosignatures'] {
  return policy.witnesses.flatMap(({ verifier }) => {
    try {
      return openNote(note, [verifier]).cosignatures.slice(0, 1)
    } catch (error) {
      if (!isFault(error)) throw error
      return []
    }
  })
}

const sameKey = (a: NoteVerifier, b: NoteVerifier): boolean =>
  a.type === b.type && Buffer.compare(a.publicKey, b.publicKey) === 0
