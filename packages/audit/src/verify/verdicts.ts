/** Everything that can be wrong with a log. Closed and append-only: scripts branch on these. */
export const VERDICTS = [
  /** An entry, or a bundle of entries, is not what the log committed to. */
  'entry_altered',
  'entry_missing',
  /** A hash tile, or an earlier partial copy of a tile or bundle, is not what follows from the entries. */
  'tile_altered',
  'tile_missing',
  /** What lies where a checkpoint belongs is not signed by a pinned log key, or is about something else. */
  'checkpoint_forged',
  'checkpoint_missing',
  /** The log is shown at a smaller size than it was signed at before. */
  'checkpoint_rolled_back',
  /** A pinned log key has signed two histories. */
  'history_forked',
  /** The log goes on from one that is not here, so keys and chains of before are unknown. */
  'history_missing',
  'seal_altered',
  'seal_missing',
  /** A batch that was staged for a seal is not what its name or its seal says. */
  'staging_altered',
  'blob_altered',
  'blob_missing',
  /** `log.vkey` is not the text of a pinned key. */
  'vkey_altered',
  /** An entry that is no audit message of its source in the form of the contract. */
  'message_malformed',
  'signature_invalid',
  /** Signed by a key that no pinned anchor endorsed, and no operator registered, for this source. */
  'key_not_endorsed',
  /** The key was endorsed or registered for the source, but not at that time. */
  'key_expired',
  /** A message of a source is not there. */
  'source_gap',
  /** A source signed two messages under one number, or one that follows another history than the one here. */
  'source_forked',
  /** A source said what only another role may say. */
  'out_of_role',
  /** An action, redeem, token or plan without the intent, decision, records or steps that it rests on. */
  'evidence_missing',
  /** A document that is not the one its event names, or whose own signature does not hold. */
  'document_invalid',
] as const
export type Verdict = (typeof VERDICTS)[number]

/** Where something is wrong; what applies is there. */
export interface Where {
  /** Origin of the log, where it is not the one that was asked for. */
  readonly log?: string
  /** Leaf index. */
  readonly leaf?: number
  /** `<role>/<instance>/<boot>`. */
  readonly source?: string
  /** Number of the message in its source's chain. */
  readonly seq?: number
  /** Key of an object in the store. */
  readonly object?: string
  /** Thumbprint of a signing key. */
  readonly kid?: string
}

export interface Finding {
  readonly verdict: Verdict
  readonly where: Where
  /** One plain sentence. Without control characters, whatever it quotes. */
  readonly message: string
}

const FINDINGS_MAX = 1000
const TEXT_LENGTH_MAX = 500

/** What was found, in the order in which it was found, bounded so that a ruined log cannot fill the memory. */
export class Findings {
  readonly list: Finding[] = []
  /** All, also those beyond the first thousand. */
  count = 0
  /** Origin of the log that is being read, when it is not the one that was asked for. */
  log: string | undefined

  add(verdict: Verdict, where: Where, message: string): void {
    this.count += 1
    if (this.list.length >= FINDINGS_MAX) return
    const log = this.log === undefined ? {} : { log: this.log }
    const object = where.object === undefined ? {} : { object: printable(where.object) }
    this.list.push({ verdict, where: { ...log, ...where, ...object }, message: printable(message) })
  }
}

/** What a source or a disk's owner wrote may stand in it: nothing of that moves a terminal's cursor or turns its text around. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\uFFFD').slice(0, TEXT_LENGTH_MAX)
}
