import type { PublicJwk } from '@writ/contracts'
import {
  type Control,
  controlMessage,
  Fault,
  type Reason,
  type Rev,
  type Revoke,
  type RevokeScope,
  type ServiceRole,
} from '@writ/contracts'
import { openMessage, sha256, type Unverified, verifyJws } from '@writ/keys'

/** One message that the CONTROL stream holds under `control.*`. */
export interface StoredControl {
  readonly operatorId: string
  readonly seq: number
  readonly data: Uint8Array
  /** It carries a `Nats-TTL` header and will vanish: void, and no part of the chain. */
  readonly ttl: boolean
}

/** How far a reader had come, kept durably: what it reads later must hold this. */
export interface ControlPosition extends Rev {
  /** SHA-256 of the message's body. */
  readonly digest: string
}

export interface StandingRevoke {
  readonly seq: number
  readonly iat: number
  readonly iss: string
  readonly digest: string
  readonly revoke: Revoke
}

export type ControlStep =
  | {
      readonly kind: 'applied'
      readonly seq: number
      readonly digest: string
      readonly control: Control
      readonly compact: string
    }
  | { readonly kind: 'void'; readonly seq: number; readonly digest: string; readonly reason: Reason }
  /** A message is missing from what was read: nothing was applied, and nothing may be issued, redeemed or begun. */
  | { readonly kind: 'withheld'; readonly seq: number; readonly missing: number }

/** What an intent, plan or token touches: a revoke of any of it stops it. */
export interface Touched {
  readonly agent?: string
  readonly users?: readonly string[]
  readonly devices?: readonly string[]
  readonly groups?: readonly string[]
  readonly gateways?: readonly string[]
  readonly token?: string
  readonly intent?: string
  /** Key ids of whoever signed a link of the chain. */
  readonly keys?: readonly string[]
  /** Endorsements of the services that signed a link, by role and their `iat`. */
  readonly endorsements?: readonly { readonly role: ServiceRole; readonly iat: number }[]
}

export interface ControlPins {
  readonly audience: string
  /** The operator's key if `kid` may sign control messages for it now, without regard to key revokes. Read `SIGNERS` to its end first. */
  readonly operatorKey: (operatorId: string, kid: string) => PublicJwk | undefined
  readonly isPinned: (operatorId: string) => boolean
}

/**
 * What CONTROL says so far (CONTRACT "Control"). Pure: it is fed every stored message of `control.*` in stream order, from
 * sequence 1, and gives the same state to everybody who feeds it the same messages.
 */
export class ControlState {
  readonly #pins: ControlPins
  readonly #revokes = new Map<string, StandingRevoke[]>()
  readonly #standing = new Map<number, StandingRevoke>()
  readonly #keysRevoked = new Set<string>()
  #stream: string | undefined
  #follows: Rev | undefined
  #seq = 0
  #digest = ''
  #storedSeq = 0
  #missing: number | undefined

  constructor(pins: ControlPins) {
    this.#pins = pins
  }

  /** The stream's own name from its genesis; undefined until then: nothing is issued, redeemed or begun. */
  get stream(): string | undefined {
    return this.#stream
  }
  /** The last message of the chain, valid or void: what the next `prev` must name. */
  get seq(): number {
    return this.#seq
  }
  /** SHA-256 of that message's body; empty before the first. */
  get digest(): string {
    return this.#digest
  }
  /** The last message seen under `control.*`, of the chain or not: what a conditional write must expect. */
  get storedSeq(): number {
    return this.#storedSeq
  }
  /** A sequence that some `prev` points to and that was not there. */
  get missing(): number | undefined {
    return this.#missing
  }
  get standing(): readonly StandingRevoke[] {
    return [...this.#standing.values()]
  }
  get position(): ControlPosition | undefined {
    return this.#stream === undefined ? undefined : { stream: this.#stream, seq: this.#seq, digest: this.#digest }
  }
  /** `rev` of a token minted now. Throws Fault `unavailable` before genesis and while a message is withheld. */
  get rev(): Rev {
    if (this.#stream === undefined) throw new Fault('unavailable', { message: 'CONTROL has no genesis yet.' })
    if (this.#missing !== undefined) throw new Fault('unavailable', { message: 'A message of CONTROL is withheld.' })
    return { stream: this.#stream, seq: this.#seq }
  }

  /** Applies the next stored message. Never throws on what it holds: a message that is not valid is void. */
  apply(message: StoredControl): ControlStep {
    const digest = sha256(message.data)
    if (message.ttl) {
      this.#storedSeq = message.seq
      return {
        kind: 'void',
        seq: message.seq,
        digest,
        reason: { code: 'malformed', message: 'It carries a TTL and will vanish.' },
      }
    }
    const opened = this.#open(message)
    const prev = opened instanceof Fault ? this.#seq : opened.claims.prev
    // A `prev` that no stored message can have is a mistake of the signer, not a gap in what was read.
    if (prev > this.#seq && prev < message.seq) {
      this.#missing = prev
      return { kind: 'withheld', seq: message.seq, missing: prev }
    }
    this.#missing = undefined
    const refusal = opened instanceof Fault ? opened : this.#refusal(opened.claims)
    this.#seq = message.seq
    this.#storedSeq = message.seq
    this.#digest = digest
    if (opened instanceof Fault || refusal !== undefined) {
      return { kind: 'void', seq: message.seq, digest, reason: (refusal as Fault).reason }
    }
    this.#take(message.seq, opened)
    return {
      kind: 'applied',
      seq: message.seq,
      digest: opened.jws.digest,
      control: opened.claims,
      compact: opened.jws.compact,
    }
  }

  /** Why a message would be void if it were the next one stored; undefined: it would count. Nothing is applied. */
  whyVoid(message: Pick<StoredControl, 'operatorId' | 'data'>): Reason | undefined {
    const opened = this.#open(message)
    return (opened instanceof Fault ? opened : this.#refusal(opened.claims))?.reason
  }

  #open(message: Pick<StoredControl, 'operatorId' | 'data'>): Unverified<typeof controlMessage> | Fault {
    try {
      const opened = openMessage(controlMessage, message.data)
      const { iss, aud } = opened.claims
      if (iss !== message.operatorId)
        throw new Fault('wrong_subject', { message: 'The signer is not the one of the subject.' })
      const { kid } = opened.jws
      const key = this.#keysRevoked.has(kid) ? undefined : this.#pins.operatorKey(iss, kid)
      if (key === undefined) throw new Fault('unknown_key', { message: 'No operator may sign with this key.' })
      verifyJws(opened.jws, key)
      if (aud !== this.#pins.audience)
        throw new Fault('wrong_audience', { message: 'The message is for another audience.' })
      return opened
    } catch (error) {
      if (error instanceof Fault) return error
      throw error
    }
  }

  /** Why a message whose signature counts is void all the same. */
  #refusal(control: Control): Fault | undefined {
    if (control.prev !== this.#seq)
      return new Fault('chain_broken', { message: 'It does not follow the last control message.' })
    if (control.command === 'genesis') {
      if (this.#stream !== undefined) return new Fault('replayed', { message: 'The stream has its genesis.' })
      if (!this.#pins.isPinned(control.iss))
        return new Fault('wrong_role', { message: 'Only a root operator signs a genesis.' })
      return undefined
    }
    return this.#stream === undefined
      ? new Fault('chain_broken', { message: 'The first message is the genesis.' })
      : undefined
  }

  #take(seq: number, { claims, jws }: Unverified<typeof controlMessage>): void {
    if (claims.command === 'genesis') {
      this.#stream = claims.stream
      this.#follows = claims.follows
    } else if (claims.command === 'lift') {
      this.#standing.delete(claims.lifts)
    } else {
      const revoke: StandingRevoke = { seq, iat: claims.iat, iss: claims.iss, digest: jws.digest, revoke: claims }
      const name = nameOf(claims.scope, claims.id ?? '')
      this.#revokes.set(name, [...(this.#revokes.get(name) ?? []), revoke])
      this.#standing.set(seq, revoke)
      if (claims.scope === 'key') this.#keysRevoked.add(claims.id)
    }
  }

  /** A `key` revoke named it, lifted since or not: no operator's word counts under it any more. */
  keyWasRevoked(kid: string): boolean {
    return this.#keysRevoked.has(kid)
  }

  /** A standing `key` or `endorsements` revoke names this endorsement of a service's key. */
  endorsementIsRevoked(role: ServiceRole, kid: string, iat: number): boolean {
    return (
      this.#matches('key', kid).some(({ seq }) => this.#standing.has(seq)) ||
      this.#endorsementRevokes(role, iat).some(({ seq }) => this.#standing.has(seq))
    )
  }

  /** All of the role with an earlier `iat`. */
  #endorsementRevokes(role: ServiceRole, iat: number): readonly StandingRevoke[] {
    return this.#matches('endorsements', role).filter((revoke) => iat < revoke.iat)
  }

  /** The reason if a standing revoke names any of it: `quarantined` where it says so, else `revoked`. */
  refusalOf(touched: Touched): Reason | undefined {
    return reasonFor(this.#named(touched).filter(({ seq }) => this.#standing.has(seq)))
  }

  /** A token is dead if a matching revoke came after its `rev`, or stands, or if it is of another stream. */
  tokenRefusal(rev: Rev, touched: Touched): Reason | undefined {
    if (rev.stream !== this.#stream) return { code: 'revoked', message: 'The token is of another control stream.' }
    return reasonFor(this.#named(touched).filter(({ seq }) => seq > rev.seq || this.#standing.has(seq)))
  }

  /**
   * Throws Fault `unavailable` unless this state, read to the end, holds what the reader knew before: the same message at its
   * position, or a later stream that follows it; and at least what the enrolment package demands.
   */
  assertHolds(
    known: ControlPosition | undefined,
    least: Rev | undefined,
    digestAt: (seq: number) => string | undefined,
  ): void {
    const lost = (message: string) => new Fault('unavailable', { message })
    if (this.#missing !== undefined) throw lost('A message of CONTROL is withheld.')
    for (const rev of [known, least]) {
      if (rev === undefined) continue
      if (this.#stream === undefined) throw lost('CONTROL is empty, and it was not before.')
      if (rev.stream === this.#stream) {
        if (this.#seq < rev.seq) throw lost('CONTROL holds less than it held before.')
      } else if (this.#follows?.stream !== rev.stream || this.#follows.seq < rev.seq) {
        throw lost('CONTROL is another stream, and it does not follow the one that was known.')
      }
    }
    if (known !== undefined && known.stream === this.#stream && digestAt(known.seq) !== known.digest) {
      throw lost('CONTROL holds another message where one was known.')
    }
  }

  #matches(scope: RevokeScope, id: string): readonly StandingRevoke[] {
    return this.#revokes.get(nameOf(scope, id)) ?? []
  }

  #named(touched: Touched): StandingRevoke[] {
    const lists: readonly (readonly [RevokeScope, readonly (string | undefined)[]])[] = [
      ['agent', [touched.agent]],
      ['user', touched.users ?? []],
      ['device', touched.devices ?? []],
      ['group', touched.groups ?? []],
      ['gateway', touched.gateways ?? []],
      ['token', [touched.token]],
      ['intent', [touched.intent]],
      ['key', touched.keys ?? []],
    ]
    const named = lists.flatMap(([scope, ids]) =>
      ids.flatMap((id) => (id === undefined ? [] : this.#matches(scope, id))),
    )
    const endorsed = (touched.endorsements ?? []).flatMap(({ role, iat }) => this.#endorsementRevokes(role, iat))
    return [...this.#matches('all', ''), ...named, ...endorsed]
  }
}

/** A revoke of `all` has one name, whatever id it carries. */
function nameOf(scope: RevokeScope, id: string): string {
  return scope === 'all' ? 'all' : `${scope} ${id}`
}

function reasonFor(revokes: readonly StandingRevoke[]): Reason | undefined {
  if (revokes.length === 0) return undefined
  return revokes.some(({ revoke }) => revoke.quarantine === true)
    ? { code: 'quarantined', message: 'An operator has put it in quarantine.' }
    : { code: 'revoked', message: 'An operator has revoked it.' }
}
