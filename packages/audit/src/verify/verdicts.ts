/**
 * Everything that the verifier can say of a log, each with its meaning in one line: here and nowhere else. Closed and append-only: scripts branch
 * on the names. `docs/verdicts.md` says what an auditor does about each.
 */
export const MEANINGS = {
  ok: 'Everything that was checked holds.',
  entry_altered: 'An entry, or a bundle of entries, is not what the log committed to.',
  entry_missing: 'A bundle of entries that the log committed to is not there.',
  tile_altered: 'A hash tile, or an earlier partial copy of a tile or bundle, is not what follows from the entries.',
  tile_missing: 'A hash tile is not there.',
  checkpoint_forged:
    'What lies where a checkpoint belongs is not signed by a pinned log key, or is about something else.',
  checkpoint_missing: 'The checkpoint of a seal, or the log’s newest, is not there.',
  checkpoint_rolled_back: 'The log is shown at a smaller size than it was signed at before.',
  history_forked: 'A pinned log key has signed two histories: two checkpoints that are not consistent.',
  not_witnessed: 'The newest checkpoint lacks cosignatures of witnesses that the given policy demands.',
  history_missing: 'The log goes on from one that is not here, so that keys and chains of before are unknown.',
  seal_altered: 'The reservation of a seal does not say what the log shows.',
  seal_missing: 'The reservation of a seal is not there.',
  staging_altered: 'A batch that was staged for a seal is not what its name or its seal says.',
  blob_altered: 'A payload that an event names by its digest holds other bytes.',
  blob_missing: 'A payload that an event names by its digest is not there.',
  vkey_altered: 'The key that lies beside the log is not a pinned one.',
  message_malformed: 'An entry is no audit message of its source in the form of the contract.',
  signature_invalid: 'The signature of a message does not verify with the key that it names.',
  key_not_endorsed:
    'A message is signed with a key that no pinned anchor endorsed, and no operator registered, for its source.',
  key_expired: 'A message is signed with a key that was not valid for its source at that time.',
  source_gap: 'A message of a source is not there.',
  source_forked:
    'A source signed two messages under one number, or one that follows another history than the one here.',
  source_silent: 'A source has started and neither stopped nor given a sign of life, while others went on.',
  out_of_role: 'A source said what only another role may say.',
  evidence_missing:
    'An action, redeem, token or plan has not the intent, decision, records or steps here that it rests on.',
  document_invalid: 'A document is not the one that its event names, or its own signature does not hold.',
  retention_missing: 'An object of the log is not locked in COMPLIANCE mode, or not for long enough.',
  clock_regressed: 'The signed times of checkpoints, or what one source says of time, go backwards.',
} as const

/** What can be wrong. */
export type Verdict = Exclude<keyof typeof MEANINGS, 'ok'>
export const VERDICTS: readonly Verdict[] = Object.keys(MEANINGS).filter((name) => name !== 'ok') as Verdict[]

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
  /** Of all. */
  readonly verdicts: Set<Verdict> = new Set<Verdict>()
  /** Origin of the log that is being read, when it is not the one that was asked for. */
  log: string | undefined

  add(verdict: Verdict, where: Where, message: string): void {
    this.count += 1
    this.verdicts.add(verdict)
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
