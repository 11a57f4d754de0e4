import { type AuditEvent, CLOCK_AHEAD_SECONDS_MAX, type Control, type ServiceRole } from '@writ/contracts'

interface Revoke {
  readonly digest: string
  /** Sequence in CONTROL, of which stream of those that followed one another. */
  readonly seq: number
  readonly stream: number
  /** When it was told of first; NumericDate, as all of these. */
  since: number
  /** When it was lifted. */
  lifted: number
  /** When another stream began, in which what still stood was published again. */
  ended: number
  /** Of `endorsements`: those with an earlier `iat`. */
  readonly earlierThan: number
}

/** A revoke is effective everywhere 5 s after it was recorded, and clocks may differ. */
const GRACE_SECONDS = 5 + CLOCK_AHEAD_SECONDS_MAX

/**
 * `key` and `endorsements` revokes as intent-gateway tells of them, with scope and id in the clear or in the control message itself. Which instants
 * they cover is judged by services' clocks: sources write beside one another, so places in the log do not say what was signed before what.
 */
export class RevokedKeys {
  readonly #revokes = new Map<string, Revoke[]>()
  readonly #seen = new Map<string, Revoke | undefined>()
  #stream = 0

  /** Takes a `control.applied` in. `control`: the message itself, where it can be opened; its word counts before the event's. */
  applied({ detail, timestamp }: AuditEvent, control: Control | undefined): void {
    const said: Readonly<Record<string, unknown>> = { ...detail, ...control }
    const { seq, digest, command, scope, id, lifts } = said
    const told = Math.floor(Date.parse(timestamp) / 1000)
    const iat = typeof said['iat'] === 'number' ? said['iat'] : told
    if (typeof seq !== 'number' || typeof digest !== 'string') return
    if (this.#seen.has(digest)) {
      this.#again(digest, told)
      return
    }
    const isRevoke = command === 'revoke' && (scope === 'key' || scope === 'endorsements') && typeof id === 'string'
    const revoke = {
      digest,
      seq,
      stream: this.#stream,
      since: told,
      lifted: Infinity,
      ended: Infinity,
      earlierThan: iat,
    }
    this.#seen.set(digest, isRevoke ? revoke : undefined)
    if (isRevoke) this.#revokes.set(`${scope}/${id}`, [...this.#named(scope, id), revoke])
    if (command === 'lift' && typeof lifts === 'number') this.#lift(lifts, Math.min(told, iat))
    if (command === 'genesis') this.#begin(told)
  }

  /** Whether a key was revoked at an instant, and not lifted. */
  key(kid: string, at: number): boolean {
    return this.#named('key', kid).some((revoke) => covers(revoke, at))
  }

  /** Whether an operator's key was: a lift does not make its word count again. */
  operatorKey(kid: string, at: number): boolean {
    return this.#named('key', kid).some(({ since, ended }) => since + GRACE_SECONDS < at && at < ended)
  }

  /** Whether the key was revoked by a message before this one in CONTROL, whatever the clocks say. */
  keyBefore(kid: string, seq: number): boolean {
    return this.#named('key', kid).some((revoke) => revoke.stream === this.#stream && revoke.seq < seq)
  }

  /** Whether an endorsement of a role with this `iat` was revoked at an instant, and not lifted. */
  endorsement(role: ServiceRole, iat: number, at: number): boolean {
    return this.#named('endorsements', role).some((revoke) => iat < revoke.earlierThan && covers(revoke, at))
  }

  #named(scope: 'key' | 'endorsements', id: string): readonly Revoke[] {
    return this.#revokes.get(`${scope}/${id}`) ?? []
  }

  /** Each replica of intent-gateway tells of each message. */
  #again(digest: string, told: number): void {
    const revoke = this.#seen.get(digest)
    if (revoke !== undefined) revoke.since = Math.min(revoke.since, told)
  }

  #lift(seq: number, at: number): void {
    for (const revoke of this.#seen.values())
      if (revoke?.seq === seq && revoke.stream === this.#stream) revoke.lifted = Math.min(revoke.lifted, at)
  }

  #begin(at: number): void {
    this.#stream += 1
    for (const revoke of this.#seen.values()) if (revoke !== undefined) revoke.ended = Math.min(revoke.ended, at)
  }
}

function covers({ since, lifted, ended }: Revoke, at: number): boolean {
  return since + GRACE_SECONDS < at && at < Math.min(lifted, ended) - CLOCK_AHEAD_SECONDS_MAX
}
