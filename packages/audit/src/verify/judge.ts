import {
  type AuditEvent,
  type Command,
  type Control,
  type Cosign,
  commandMessage,
  controlMessage,
  cosignMessage,
  type Decision,
  decisionMessage,
  type EventDocument,
  type EventType,
  type Intent,
  intentMessage,
  isFault,
  keyMessage,
  type Message,
  PARTY_KINDS,
  type PartyKind,
} from '@writ/contracts'
import { verifyJws, verifyJwsAhead } from '@writ/keys'
import type { Blobs } from './blobs.ts'
import { checkDocument, checkDocumentAhead, type SubjectKeyOf } from './check-document.ts'
import { Evidence, type PlacedEvent } from './evidence.ts'
import { type FoundKey, KeyRing, type Pins } from './key-ring.ts'
import { timesOf } from './message-times.ts'
import { keysOf, misfit } from './misfit.ts'
import { type OpenedEntry, openEntry } from './open-entry.ts'
import { documentWasRevoked, messageWasRevoked, needsAuthority } from './revoked-before.ts'
import { RevokedKeys } from './revoked-keys.ts'
import { mayHaveSaid } from './roles.ts'
import { SecondOperators } from './second-operators.ts'
import { ActiveMinutes } from './silence.ts'
import { EVENT_SLOTS, SourceChains } from './source-chains.ts'
import { StoreStatements, type StoreUse } from './store-statements.ts'
import type { Findings, Where } from './verdicts.ts'

/** One log of a history, for the messages in it. */
export interface Epoch {
  readonly origin: string
  /** Its origin, where it is not the log that was asked for. */
  readonly log?: string
  readonly size: number
  /** An entry as it is stored, for a second look. */
  entryAt(index: number): Promise<Uint8Array | undefined>
  /** What its first entry says. */
  opening?: AuditEvent['detail']
}

/** An event of a message, and whether the message's key was revoked before it was signed: then nothing is learnt from it. */
interface Placed extends PlacedEvent {
  readonly revoked: boolean
}

interface Again {
  readonly epoch: Epoch
  readonly index: number
  /** The services' time when it was first looked at. */
  readonly since?: number
}

export interface JudgeOptions {
  readonly region: string
  readonly pins: Pins
  readonly keyOf: SubjectKeyOf
  readonly findings: Findings
  readonly blobs: Pick<Blobs, 'check'>
}

/**
 * Judges the messages of a log, each by a key that the log itself shows to be valid for its role and time. A message may come before what makes
 * its key valid, since sources write beside one another: it is read again at the end.
 */
export class Judge {
  readonly #options: JudgeOptions
  readonly #ring: KeyRing
  readonly #chains: SourceChains
  readonly #evidence: Evidence
  readonly #revoked = new RevokedKeys()
  readonly #second: SecondOperators
  readonly #stores = new StoreStatements()
  readonly #active = new ActiveMinutes()
  /** Messages whose key is not known yet, and documents whose signer is not. */
  #unknown: Again[] = []
  #waiting = 0
  #unsure: {
    readonly at: Again
    readonly place: Omit<Placed, 'event'>
    readonly event: number
    readonly document: number
  }[] = []
  readonly #repeated: { readonly at: Again; readonly source: string; readonly seq: number }[] = []
  /** The latest use of each gateway's key. */
  readonly #lastUse = new Map<
    string,
    { readonly id: string; readonly kid: string; readonly iat: number; readonly where: Where }
  >()
  messages = 0
  events = 0
  documents = 0
  sealed = 0

  constructor(options: JudgeOptions) {
    const { pins, region, findings } = options
    this.#options = options
    this.#ring = new KeyRing(pins, region)
    this.#chains = new SourceChains(findings)
    this.#evidence = new Evidence(findings)
    this.#second = new SecondOperators(pins.two_person ?? [])
  }

  get sources(): number {
    return this.#chains.count
  }
  get effects(): number {
    return this.#evidence.effects
  }
  /** NumericDate up to which services have signed. */
  get until(): number {
    return this.#evidence.now
  }
  /** Records of kinds that need two operators. */
  get secondOperators(): number {
    return this.#second.count
  }
  /** What sinks said of the stores that they wrote to. */
  get stores(): readonly StoreUse[] {
    return this.#stores.list
  }
  get chains(): SourceChains {
    return this.#chains
  }

  /**
   * Takes an entry apart before its turn, and begins to look at its signatures as far as their keys are known. Nothing is judged, and nothing said: what
   * `entry` then says does not depend on it.
   */
  ahead(entry: Uint8Array): { readonly opened: OpenedEntry | undefined; readonly ready: Promise<unknown> } {
    const opened = openEntry(entry, this.#options.region)
    if (opened === undefined) return { opened, ready: Promise.resolve() }
    const key = this.#keyOf(opened)
    const documents = opened.claims.events.flatMap((event) => event.documents ?? [])
    const ready = documents.map((document) => checkDocumentAhead(document, this.#ring))
    if (key.state === 'good') ready.push(verifyJwsAhead(opened.jws, key.jwk))
    return { opened, ready: Promise.all(ready) }
  }

  /** `opened`: the entry taken apart. */
  async entry(epoch: Epoch, index: number, opened: OpenedEntry | undefined): Promise<void> {
    this.messages += 1
    if (opened !== undefined) return await this.#message({ epoch, index }, opened)
    this.#options.findings.add(
      'message_malformed',
      placeOf({ epoch, index }),
      `Entry ${index} is no audit message of the contract.`,
    )
  }

  /** After every entry was seen: judges what had to wait for its key. */
  async settle(complete: boolean): Promise<void> {
    await this.#settleUnknown(complete)
    await this.#settleUnsure()
  }

  /** After `settle`. Returns for how many messages and effects evidence may still be on its way. */
  async conclude(options: { readonly complete: boolean; readonly wholeHistory: boolean }): Promise<number> {
    for (const { id, kid, iat, where } of this.#lastUse.values())
      if (this.#ring.wasWithdrawn('gateway', id, kid, iat))
        this.#options.findings.add(
          'key_expired',
          where,
          `The gateway ${id} signed with a key that its record had dropped before.`,
        )
    await this.#compareRepeated()
    this.#chains.conclude({
      wholeHistory: options.wholeHistory,
      activeMinutesAfter: (seconds) => this.#active.after(seconds),
      isWithdrawn: (source) => this.#isWithdrawn(source),
    })
    this.#concludeSecond(options.complete)
    return this.#waiting + this.#evidence.conclude(options.complete)
  }

  /** A gateway whose record was removed. */
  #isWithdrawn(source: string): boolean {
    const [role, instance = ''] = source.split('/')
    return role === 'gateway' && this.#ring.isRemoved('gateway', instance)
  }

  #concludeSecond(complete: boolean): void {
    for (const { name, where, since } of this.#second.missing())
      if (!complete && !this.#evidence.isSettled(since)) this.#waiting += 1
      else
        this.#options.findings.add(
          'evidence_missing',
          where,
          `The record ${name} was filed without a second operator’s signature, which its kind needs.`,
        )
  }

  async #message(at: Again, opened: OpenedEntry): Promise<void> {
    const { claims, jws } = opened
    const where = { ...placeOf(at), source: claims.source, seq: claims.seq }
    for (const { documents = [] } of claims.events) for (const document of documents) this.#endorse(document)
    const key = this.#keyOf(opened)
    if (key.state !== 'good') {
      this.#unknown.push({ since: this.#evidence.now, ...at })
      return
    }
    if (!holds(opened, key)) {
      const message = `The signature of entry ${at.index}, of ${claims.source}, does not verify.`
      this.#options.findings.add('signature_invalid', { ...where, kid: jws.kid }, message)
      return
    }
    await this.#take(at, opened, where)
  }

  /** An endorsement is its anchor's word, whoever brings it; one that does not hold is said where documents are checked. */
  #endorse({ typ, jws }: EventDocument): void {
    if (typ !== keyMessage.typ || jws === undefined) return
    try {
      this.#ring.endorse(jws)
    } catch (error) {
      if (!isFault(error)) throw error
    }
  }

  #keyOf({ role, instance, jws, claims }: OpenedEntry): FoundKey {
    if (role === 'gateway') return this.#ring.partyKey('gateway', instance, jws.kid)
    return this.#ring.serviceKey(role, jws.kid, claims.iat, instance)
  }

  /** A message whose signature counts. */
  async #take(at: Again, opened: OpenedEntry, where: Where): Promise<void> {
    const { claims, jws, role, instance } = opened
    const { source, seq, prev, iat } = claims
    if (role === 'gateway') this.#used(instance, jws.kid, iat, where)
    else this.#heard(iat)
    const { times, regressed } = timesOf(claims)
    if (regressed !== undefined)
      this.#options.findings.add(
        'clock_regressed',
        where,
        `The time of ${source} goes back in message ${seq}: ${regressed}.`,
      )
    const stopped = claims.events.at(-1)?.type === 'source.stopped'
    const link = { source, seq, prev, digest: jws.digest, times, stopped, where }
    if (!this.#chains.add(link)) this.#repeated.push({ at, source, seq })
    this.events += claims.events.length
    const revoked = messageWasRevoked(opened, this.#revoked, this.#ring)
    const said = revoked ? needsAuthority(claims) : undefined
    if (said !== undefined)
      this.#options.findings.add(
        'key_expired',
        { ...where, kid: jws.kid },
        `${source} said ${said} with a key that an operator had revoked before.`,
      )
    for (const [slot, event] of claims.events.entries()) {
      const place = { role, source, position: seq * EVENT_SLOTS + slot, where, iat, revoked }
      if (!mayHaveSaid(event, role, instance)) {
        const message = `${source} said ${event.type}, which is not its to say.`
        this.#options.findings.add('out_of_role', where, message)
        continue
      }
      await this.#options.blobs.check(event, where)
      if ((await this.#documents(at, { ...place, event }, slot)) && !revoked) this.#learn(at, event, where)
      this.#evidence.event({ ...place, event })
    }
  }

  /** A service signed something at this time. */
  #heard(iat: number): void {
    this.#evidence.serviceTime(iat)
    this.#active.add(iat)
  }

  #used(id: string, kid: string, iat: number, where: Where): void {
    const name = `${id} ${kid}`
    const before = this.#lastUse.get(name)
    if (before === undefined || before.iat < iat) this.#lastUse.set(name, { id, kid, iat, where: { ...where, kid } })
  }

  /** What an event says about keys, chains and logs. Its documents were checked before. */
  #learn({ epoch, index }: Again, event: AuditEvent, where: Where): void {
    const { type, detail } = event
    if (type === 'log.opened' && index === 0) epoch.opening = detail ?? {}
    if (type === 'source.started') {
      this.#follows(detail?.['previous'], where)
      this.#stores.started(event, epoch.origin, where)
    }
    if (type === 'record.filed') this.#filed(event, where)
  }

  /** Which boot came before is an instance's own word: of others' chains it says nothing. */
  #follows(previous: unknown, where: Where): void {
    const { source, seq, digest } = Object(previous) as Record<string, unknown>
    if (typeof source !== 'string' || typeof seq !== 'number' || typeof digest !== 'string') return
    if (instanceOf(source) === instanceOf(where.source ?? ''))
      this.#chains.namedPrevious({ source, seq, digest, by: where })
    else
      this.#options.findings.add(
        'out_of_role',
        where,
        `${where.source} said where the chain of another ended, which is not its to say.`,
      )
  }

  /** A filed record's keys, by the event's word. Where its command was opened, the command's own word was compared with it before. */
  #filed({ detail, timestamp, documents = [] }: AuditEvent, where: Where): void {
    const { kind, id, version, keys } = detail ?? {}
    const typs = documents.map(({ typ }) => typ)
    if (!typs.some((typ) => typ === commandMessage.typ || typ === cosignMessage.typ)) {
      const message = `The record ${String(kind)} ${String(id)} was filed without its command.`
      this.#options.findings.add('evidence_missing', where, message)
    }
    // A large command and its cosigns may come as two events.
    if (!typs.includes(commandMessage.typ)) return
    if (!isParty(kind) || typeof id !== 'string' || typeof version !== 'number') return
    const filedAtSeconds = Math.floor(Date.parse(timestamp) / 1000)
    this.#ring.file({ kind, id, version, keys: keysOf(keys), filedAtSeconds })
  }

  /** False where one of them is bad: then nothing else is learnt from the event. */
  async #documents(at: Again, place: Placed, slot: number): Promise<boolean> {
    let good = true
    for (const [index, document] of (place.event.documents ?? []).entries()) {
      const { event: _, ...rest } = place
      const state = await this.#document(document, place)
      if (state === 'unknown') this.#unsure.push({ at, place: rest, event: slot, document: index })
      else good = state === 'good' && good
    }
    return good
  }

  async #document(document: EventDocument, place: Placed): Promise<'unknown' | 'good' | 'bad'> {
    const checked = await checkDocument(document, this.#ring, this.#options.keyOf)
    if (checked.state === 'unknown') return 'unknown'
    this.documents += 1
    const fit = checked.state === 'good' ? misfit(place.event, checked.opened) : undefined
    const late =
      checked.state === 'good' && documentWasRevoked(checked.opened, place.event, place.iat, this.#revoked, this.#ring)
    const wrong =
      checked.state === 'bad'
        ? checked.why
        : (fit ?? (late ? 'is signed with a key that was revoked before' : undefined))
    if (wrong !== undefined) {
      const message = `The ${document.typ} ${document.digest} of ${place.event.type} ${wrong}.`
      this.#options.findings.add('document_invalid', place.where, message)
      return 'bad'
    }
    if (checked.state === 'sealed') this.sealed += 1
    this.#evidence.document(document.typ, document.digest, place)
    const claims = checked.state === 'good' ? checked.opened.claims : undefined
    if (claims !== undefined && document.typ === decisionMessage.typ)
      this.#evidence.decision(document.digest, claims as Decision)
    if (claims !== undefined && document.typ === intentMessage.typ)
      this.#evidence.intent(document.digest, claims as Intent)
    if (place.role === 'intent-gateway' && !place.revoked) this.#operatorsSaid(document, claims, place)
    return 'good'
  }

  /** What operators signed, by intent-gateway's word where it is sealed. */
  #operatorsSaid({ typ, digest }: EventDocument, claims: unknown, { event, where }: Placed): void {
    const is = (type: EventType, message: Pick<Message, 'typ'>) => event.type === type && typ === message.typ
    if (is('control.applied', controlMessage)) this.#revoked.applied(event, claims as Control | undefined)
    if (is('record.filed', commandMessage))
      this.#second.command(event, digest, claims as Command | undefined, where, this.#evidence.now)
    if (is('record.filed', cosignMessage)) this.#second.cosign(event, digest, claims as Cosign | undefined)
  }

  /** Messages whose keys came later, round after round while that makes more of them known. */
  async #settleUnknown(complete: boolean): Promise<void> {
    for (let before = Number.POSITIVE_INFINITY; this.#unknown.length > 0 && this.#unknown.length < before; ) {
      before = this.#unknown.length
      const again = this.#unknown
      this.#unknown = []
      for (const at of again) await this.#lookAgain(at, (opened) => this.#message(at, opened))
    }
    for (const at of this.#unknown)
      await this.#lookAgain(at, async (opened) => {
        // Records of gateways come by another stream than what gateways say, so they may be a moment behind.
        const settled = complete || opened.role !== 'gateway' || this.#evidence.isSettled(at.since ?? 0)
        if (settled) this.#unendorsed(at, opened)
        else this.#waiting += 1
      })
  }

  #unendorsed(at: Again, opened: OpenedEntry): void {
    const { source, seq } = opened.claims
    const leaf = at.index
    const where = { ...placeOf(at), source, seq, kid: opened.jws.kid }
    const { state } = this.#keyOf(opened)
    if (state === 'expired')
      this.#options.findings.add(
        'key_expired',
        where,
        `Entry ${leaf} is signed with a key of ${source} that was not endorsed at that time.`,
      )
    else if (state === 'wrong')
      this.#options.findings.add(
        'key_not_endorsed',
        where,
        `Entry ${leaf} is signed with a key that was endorsed for another than ${source}.`,
      )
    else
      this.#options.findings.add(
        'key_not_endorsed',
        where,
        `Entry ${leaf} is signed with a key that nobody endorsed for ${source}.`,
      )
  }

  async #lookAgain({ epoch, index }: Again, then: (opened: OpenedEntry) => Promise<void>): Promise<void> {
    const entry = await epoch.entryAt(index)
    const opened = entry === undefined ? undefined : openEntry(entry, this.#options.region)
    if (opened !== undefined) await then(opened)
  }

  async #settleUnsure(): Promise<void> {
    const unsure = this.#unsure
    this.#unsure = []
    for (const { at, place, event, document } of unsure) {
      await this.#lookAgain(at, async ({ claims }) => {
        const found = claims.events[event]
        const again = found?.documents?.[document]
        if (found === undefined || again === undefined) return
        if ((await this.#document(again, { ...place, event: found })) === 'unknown')
          this.#options.findings.add(
            'document_invalid',
            place.where,
            `The ${again.typ} ${again.digest} is signed with a key that the log does not know.`,
          )
      })
    }
  }

  /** Whether what came under a used number is what was there before. Numbers are not kept with their digests, so the log is read once more. */
  async #compareRepeated(): Promise<void> {
    if (this.#repeated.length === 0) return
    const wanted = new Map(this.#repeated.map(({ source, seq }) => [`${source} ${seq}`, new Set<string>()]))
    for (const epoch of new Set(this.#repeated.map(({ at }) => at.epoch)))
      for (let index = 0; index < epoch.size; index++)
        await this.#lookAgain({ epoch, index }, async (opened) => this.#noteDigest(opened, wanted))
    for (const { at, source, seq } of this.#repeated) {
      const found = wanted.get(`${source} ${seq}`)
      if (found !== undefined && found.size > 1)
        this.#options.findings.add(
          'source_forked',
          { ...placeOf(at), source, seq },
          `${source} signed two messages under number ${seq}.`,
        )
    }
  }

  #noteDigest(opened: OpenedEntry, wanted: ReadonlyMap<string, Set<string>>): void {
    const found = wanted.get(`${opened.claims.source} ${opened.claims.seq}`)
    const key = found === undefined ? undefined : this.#keyOf(opened)
    if (key?.state === 'good' && holds(opened, key)) found?.add(opened.jws.digest)
  }
}

function holds({ jws }: OpenedEntry, { jwk }: FoundKey & { readonly state: 'good' }): boolean {
  try {
    verifyJws(jws, jwk)
    return true
  } catch (error) {
    if (isFault(error)) return false
    throw error
  }
}

function placeOf({ epoch: { log }, index }: Again): { readonly log?: string; readonly leaf: number } {
  return { ...(log !== undefined && { log }), leaf: index }
}

/** `<role>/<instance>` of a source. */
const instanceOf = (source: string): string => source.slice(0, source.lastIndexOf('/'))
const isParty = (kind: unknown): kind is PartyKind => (PARTY_KINDS as readonly unknown[]).includes(kind)
