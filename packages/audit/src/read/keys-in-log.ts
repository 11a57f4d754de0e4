import {
  type AuditEvent,
  type Control,
  commandMessage,
  controlMessage,
  cosignMessage,
  isFault,
  keyMessage,
  PARTY_KINDS,
  type PartyKind,
} from '@writ/contracts'
import { verifies } from '@writ/keys'
import { TILE_WIDTH } from '../core/tiles.ts'
import { checkDocument, type SubjectKeyOf } from '../verify/check-document.ts'
import { type FoundKey, KeyRing, type Pins } from '../verify/key-ring.ts'
import { keysOf, misfit } from '../verify/misfit.ts'
import { type OpenedEntry, openEntry } from '../verify/open-entry.ts'
import { RevokedKeys } from '../verify/revoked-keys.ts'
import { type Glimpse, glance } from './glance.ts'
import type { SignedLog } from './signed-log.ts'

/** Where an entry lies: in which log of a history, oldest first, and at which leaf. */
export interface Place {
  readonly log: number
  readonly index: number
}

interface KeysInLogOptions {
  /** Oldest first. */
  readonly logs: readonly SignedLog[]
  readonly region: string
  readonly pins: Pins
  readonly keyOf: SubjectKeyOf
}

/** Entries that are looked at before it is asked again whether a key was found. */
const STRETCH = 4 * TILE_WIDTH

/**
 * The keys that a history itself shows to be valid, looked up as far as needed: endorsements, which their anchors have signed, and records of which
 * intent-gateway told. What makes a key valid mostly lies a little before its use, so the search goes back from there, and then forward.
 */
export class KeysInLog {
  readonly ring: KeyRing
  readonly #options: KeysInLogOptions
  /** What kind of record each command files, by its digest. */
  readonly #kinds = new Map<string, string>()
  /** What was withdrawn, in the order of the log. */
  readonly #controls: { readonly place: Place; readonly event: AuditEvent; readonly control: Control | undefined }[] =
    []
  #revoked: RevokedKeys | undefined
  /** Where records are told of by or for somebody whose key is not known yet. */
  #waiting: Place[] = []
  #exhausted = false
  /** The stretch that was searched: from `#low` on, below `#high`. */
  #low: Place
  #high: Place

  /** `from`, `to`: what the caller hands to `learn` itself; the search begins beside it. */
  constructor(options: KeysInLogOptions, from: Place, to: Place = from) {
    this.#options = options
    this.ring = new KeyRing(options.pins, options.region)
    this.#low = from
    this.#high = to
  }

  /** Searches on. False when everything was searched: what is not known now is not known to this history. */
  async extend(): Promise<boolean> {
    this.#exhausted ||= !(await this.#extend())
    return !this.#exhausted
  }

  /**
   * Takes in all that lies between a message's place and what was searched, and what comes soon after it: a record that drops a key lies nearer
   * than the one that registered it, or came in about when the message did.
   */
  async reach({ log, index }: Place): Promise<void> {
    const size = this.#options.logs[log]?.size ?? 0
    if (this.#low.log === log && index < this.#low.index) {
      await this.#search(log, index, this.#low.index)
      this.#low = { log, index }
    }
    if (this.#high.log !== log || this.#high.index >= Math.min(size, index + 1 + TILE_WIDTH)) return
    const to = Math.min(size, index + 1 + STRETCH)
    await this.#search(log, this.#high.index, to)
    this.#high = { log, index: to }
  }

  /** What kind of record a command files, by its digest, as far as was searched. */
  kindOf(commandDigest: string): string | undefined {
    return this.#kinds.get(commandDigest)
  }

  async #extend(): Promise<boolean> {
    const { logs } = this.#options
    const { log, index } = this.#low
    if (index > 0) {
      const from = Math.max(0, index - STRETCH)
      await this.#search(log, from, index)
      this.#low = { log, index: from }
      return true
    }
    if (log > 0) {
      this.#low = { log: log - 1, index: logs[log - 1]?.size ?? 0 }
      return true
    }
    const size = logs[this.#high.log]?.size ?? 0
    if (this.#high.index < size) {
      const to = Math.min(size, this.#high.index + STRETCH)
      await this.#search(this.#high.log, this.#high.index, to)
      this.#high = { log: this.#high.log, index: to }
      return true
    }
    if (this.#high.log + 1 >= logs.length) return false
    this.#high = { log: this.#high.log + 1, index: 0 }
    return true
  }

  /** Takes in what an entry says of keys. After the last of several, `settle`. */
  async learn(place: Place, entry: Uint8Array, seen: Glimpse | undefined = glance(entry)): Promise<void> {
    for (const { documents } of seen?.events ?? [])
      for (const { typ, jws } of documents) if (typ === keyMessage.typ && jws !== undefined) this.#endorse(jws)
    if (seen?.events.some(({ type }) => type === 'record.filed' || type === 'control.applied') !== true) return
    if ((await this.#learnSaid(place, entry)) === 'later') this.#waiting.push(place)
  }

  /** Looks again at records whose teller or signer was not known, round after round while that makes more of them known. */
  async settle(): Promise<void> {
    for (let before = Number.POSITIVE_INFINITY; this.#waiting.length > 0 && this.#waiting.length < before; ) {
      before = this.#waiting.length
      const again = this.#waiting
      this.#waiting = []
      for (const place of again) {
        const entry = await this.#options.logs[place.log]?.entryAt(place.index)
        if (entry !== undefined && (await this.#learnSaid(place, entry)) === 'later') this.#waiting.push(place)
      }
    }
  }

  /**
   * Whether a message's key is valid for its source at its time, as far as was searched. Of a gateway's nothing is said while records wait for
   * their teller to be known: one of them may have dropped the key.
   */
  keyOf({ role, instance, jws, claims }: OpenedEntry): FoundKey {
    if (role !== 'gateway') return this.ring.serviceKey(role, jws.kid, claims.iat, instance)
    if (this.#waiting.length > 0 && !this.#exhausted) return { state: 'unknown' }
    const withdrawn = this.ring.wasWithdrawn('gateway', instance, jws.kid, claims.iat)
    return withdrawn ? { state: 'expired' } : this.ring.partyKey('gateway', instance, jws.kid)
  }

  async #search(log: number, from: number, to: number): Promise<void> {
    const entries = this.#options.logs[log]?.entries(from, to) ?? []
    for await (const { index, entry } of entries) await this.learn({ log, index }, entry)
    await this.settle()
  }

  #endorse(jws: string): void {
    try {
      this.ring.endorse(jws)
    } catch (error) {
      if (!isFault(error)) throw error
    }
  }

  async #learnSaid(place: Place, entry: Uint8Array): Promise<'done' | 'later'> {
    const opened = openEntry(entry, this.#options.region)
    if (opened?.role !== 'intent-gateway') return 'done'
    const key = this.keyOf(opened)
    if (key.state !== 'good') return key.state === 'unknown' ? 'later' : 'done'
    const { signingInput, signature } = opened.jws
    if (!verifies(Buffer.from(signingInput, 'latin1'), signature, key.jwk)) return 'done'
    const states = await Promise.all(
      opened.claims.events.flatMap((event) =>
        event.type === 'record.filed'
          ? [this.#file(event)]
          : event.type === 'control.applied'
            ? [this.#withdraw(place, event)]
            : [],
      ),
    )
    return states.includes('later') ? 'later' : 'done'
  }

  /** A control message by intent-gateway's word, and its own where it can be opened. */
  async #withdraw(place: Place, event: AuditEvent): Promise<'done' | 'later'> {
    const document = event.documents?.find(({ typ }) => typ === controlMessage.typ)
    const checked = document && (await checkDocument(document, this.ring, this.#options.keyOf))
    if (checked === undefined || checked.state === 'bad') return 'done'
    if (checked.state === 'unknown') return 'later'
    if (checked.state === 'good' && misfit(event, checked.opened) !== undefined) return 'done'
    const control = checked.state === 'good' ? (checked.opened.claims as Control) : undefined
    const after = this.#controls.findLastIndex(({ place: other }) => isBefore(other, place)) + 1
    this.#controls.splice(after, 0, { place, event, control })
    this.#revoked = undefined
    return 'done'
  }

  /** What was withdrawn, as far as was searched. Found in any order, it counts in the order of the log. */
  get revoked(): RevokedKeys {
    if (this.#revoked !== undefined) return this.#revoked
    const revoked = new RevokedKeys()
    for (const { event, control } of this.#controls) revoked.applied(event, control)
    this.#revoked = revoked
    return revoked
  }

  /** Keys of a record by intent-gateway's word; where its command can be opened, the command's own word must be the same. */
  async #file(event: AuditEvent): Promise<'done' | 'later'> {
    const { detail, documents = [], timestamp } = event
    if (documents.every(({ typ }) => typ === cosignMessage.typ)) return 'done'
    for (const document of documents) {
      const checked = await checkDocument(document, this.ring, this.#options.keyOf)
      if (checked.state === 'unknown') return 'later'
      if (checked.state === 'bad') return 'done'
      if (checked.state === 'good' && misfit(event, checked.opened) !== undefined) return 'done'
    }
    const { kind, id, version, keys } = detail ?? {}
    const command = documents.find(({ typ }) => typ === commandMessage.typ)
    if (command !== undefined && typeof kind === 'string') this.#kinds.set(command.digest, kind)
    if (!isParty(kind) || typeof id !== 'string' || typeof version !== 'number') return 'done'
    const filedAtSeconds = Math.floor(Date.parse(timestamp) / 1000)
    this.ring.file({ kind, id, version, keys: keysOf(keys), filedAtSeconds })
    return 'done'
  }
}

const isBefore = (a: Place, b: Place): boolean => a.log < b.log || (a.log === b.log && a.index <= b.index)
const isParty = (kind: unknown): kind is PartyKind => (PARTY_KINDS as readonly unknown[]).includes(kind)
