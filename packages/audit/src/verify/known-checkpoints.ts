import { isFault } from '@writ/contracts'
import { openLogCheckpoint } from '../core/log-verifier.ts'
import type { NoteVerifier } from '../core/note.ts'
import type { Findings } from './verdicts.ts'

/** A signed checkpoint that the auditor brings from elsewhere. */
export interface KnownCheckpoint {
  /** For people. */
  readonly name: string
  readonly note: Uint8Array
}

/**
 * Which log each known checkpoint is about: the one that its first line names where that log is read, else the newest, which says that it is about
 * another. A log that a pinned key has signed and that is newer than all that are here was taken away.
 */
export function sortKnown(
  known: readonly Uint8Array[],
  origins: readonly string[],
  pinned: readonly NoteVerifier[],
  findings: Findings,
): ReadonlyMap<string, readonly KnownCheckpoint[]> {
  const sorted = new Map<string, KnownCheckpoint[]>()
  const newest = origins.at(-1) ?? ''
  for (const [at, note] of known.entries()) {
    const name = `known checkpoint ${at + 1}`
    const text = Buffer.from(note).toString()
    const origin = text.slice(0, Math.max(0, text.indexOf('\n')))
    const signed = origins.includes(origin) ? undefined : sizeIfSigned(text, pinned)
    if (signed === undefined || origin <= newest) {
      const log = origins.includes(origin) ? origin : newest
      sorted.set(log, [...(sorted.get(log) ?? []), { name, note }])
    } else {
      const message = `The log ${origin} was signed at ${signed} leaves before, and is not here.`
      findings.add('checkpoint_rolled_back', { object: name }, message)
    }
  }
  return sorted
}

function sizeIfSigned(text: string, pinned: readonly NoteVerifier[]): number | undefined {
  try {
    return openLogCheckpoint(text, pinned).size
  } catch (error) {
    if (isFault(error)) return undefined
    throw error
  }
}
