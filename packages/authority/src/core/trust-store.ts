import {
  type AgentRecord,
  ALWAYS_TWO_PERSON,
  ENDORSEMENT_SECONDS_MAX,
  Fault,
  type KeyEndorsement,
  keyMessage,
  type PublicJwk,
  type RecordKind,
  type RecordOf,
  type ServiceRole,
  type Trust,
} from '@writ/contracts'
import { openMessage, thumbprint, type UnverifiedJws, verifyJws } from '@writ/keys'
import type { ControlState } from './control-state.ts'
import { type FiledRecord, type FiledValue, parseFiledValue } from './filed-record.ts'

/** One message of SIGNERS or REGISTRY, in its stream's order. */
export interface StoredRecord {
  readonly kind: RecordKind | 'key'
  readonly id: string
  readonly data: Uint8Array
}

interface Endorsement extends KeyEndorsement {
  readonly compact: string
  readonly digest: string
}

/**
 * Who may sign what: the pinned keys, and the records and endorsements that SIGNERS and REGISTRY hold, each believed only for
 * its own signatures (CONTRACT "Command", "Key endorsement"). Every version is kept; the valid one with the highest version is
 * in force. Pure: messages go in, answers come out; key revokes are asked of the control state at each question.
 */
export class TrustStore {
  readonly audience: string
  readonly #trust: Trust
  readonly #control: ControlState
  readonly #filed = new Map<string, FiledValue[]>()
  /** One command may lie there with other cosigns, or with a signature that does not hold: each is kept, the valid one counts. */
  readonly #byDigest = new Map<string, FiledValue[]>()
  readonly #endorsements = new Map<string, Endorsement[]>()
  /** Signing inputs whose signature verified under the key that their header names: a signature is checked once. */
  readonly #verified = new WeakMap<UnverifiedJws, boolean>()

  constructor(region: string, trust: Trust, control: ControlState) {
    this.audience = `writ:${region}`
    this.#trust = trust
    this.#control = control
  }

  /** Takes a stored value in. What is not well formed, or lies under another subject than its own, is left out and said so. */
  apply({ kind, id, data }: StoredRecord): 'taken' | 'left out' {
    try {
      if (kind === 'key') this.#applyEndorsement(id, data)
      else this.#applyValue(kind, id, data)
      return 'taken'
    } catch (error) {
      if (error instanceof Fault) return 'left out'
      throw error
    }
  }

  #applyValue(kind: RecordKind, id: string, data: Uint8Array): void {
    const filed = parseFiledValue(data)
    const { claims, jws } = filed.command
    if (claims.kind !== kind || claims.id !== id)
      throw new Fault('wrong_subject', { message: 'A record under another name.' })
    const alike = this.#byDigest.get(jws.digest) ?? []
    if (alike.some(({ value }) => value === filed.value)) return
    const name = nameOf(kind, id)
    this.#filed.set(name, [...(this.#filed.get(name) ?? []), filed])
    this.#byDigest.set(jws.digest, [...alike, filed])
  }

  #applyEndorsement(kid: string, data: Uint8Array): void {
    const { claims, jws } = openMessage(keyMessage, data)
    const anchor = this.#trust.anchors[claims.role]
    if (anchor === undefined || jws.kid !== thumbprint(anchor))
      throw new Fault('unknown_key', { message: 'Not the role’s anchor.' })
    verifyJws(jws, anchor)
    if (
      claims.kid !== kid ||
      thumbprint(claims.jwk) !== kid ||
      claims.iss !== claims.role ||
      claims.aud !== this.audience ||
      claims.exp - claims.iat > ENDORSEMENT_SECONDS_MAX
    ) {
      throw new Fault('malformed', { message: 'An endorsement that contradicts itself.' })
    }
    const known = this.#endorsements.get(kid) ?? []
    if (known.some(({ digest }) => digest === jws.digest)) return
    this.#endorsements.set(kid, [...known, { ...claims, compact: jws.compact, digest: jws.digest }])
  }

  /** The record in force; undefined when there is none, or it was removed. */
  record<K extends RecordKind>(kind: K, id: string): FiledRecord<K> | undefined {
    const best = this.#highest(kind, id)
    return best === undefined ? undefined : asRecord<K>(best)
  }

  /** The highest valid version filed, 0 for none; a removal counts. */
  version(kind: RecordKind, id: string): number {
    return this.#highest(kind, id)?.command.claims.version ?? 0
  }

  /** The exact value in force, removals included. */
  valueOf(kind: RecordKind, id: string): string | undefined {
    return this.#highest(kind, id)?.value
  }

  /** A valid record by the digest of its first line, in force or not. */
  recordByDigest(digest: string): FiledRecord | undefined {
    const filed = this.valueByDigest(digest)
    return filed === undefined ? undefined : asRecord(filed)
  }

  /** A valid value by the digest of its first line, removals included, in force or not. */
  valueByDigest(digest: string): FiledValue | undefined {
    return this.#byDigest.get(digest)?.find((value) => this.isValid(value))
  }

  /** Ids of a kind that have a value, removed ones included, in order. */
  ids(kind: RecordKind): readonly string[] {
    const prefix = nameOf(kind, '')
    return [...this.#filed.keys()]
      .filter((name) => name.startsWith(prefix))
      .map((name) => name.slice(prefix.length))
      .sort()
  }

  #highest(kind: RecordKind, id: string): FiledValue | undefined {
    let best: FiledValue | undefined
    for (const filed of this.#filed.get(nameOf(kind, id)) ?? []) {
      const { version } = filed.command.claims
      if ((best === undefined || version > best.command.claims.version) && this.isValid(filed)) best = filed
    }
    return best
  }

  /** Whether operators’ signatures hold up a value; also one that is not filed here, as in a plan. */
  isValid(filed: FiledValue): boolean {
    return this.refusalOf(filed) === undefined
  }

  /** Why not: `unknown_key`, `bad_signature`, `wrong_audience`, or `chain_broken` where another operator’s word is missing. */
  refusalOf(filed: FiledValue): Fault | undefined {
    const { kind } = filed.command.claims
    for (const line of [filed.command, ...filed.cosigns]) {
      const refusal = this.#lineRefusal(line, kind === 'operator')
      if (refusal !== undefined) return refusal
    }
    return filed.cosigns.length === 0 && [...ALWAYS_TWO_PERSON, ...this.#trust.two_person].includes(kind)
      ? new Fault('chain_broken', { message: 'A record of this kind needs a second operator’s word.' })
      : undefined
  }

  #lineRefusal(
    { jws, claims }: { readonly jws: UnverifiedJws; readonly claims: { readonly iss: string; readonly aud: string } },
    root: boolean,
  ): Fault | undefined {
    const { kid } = jws
    const key = root ? this.#pinnedKey(claims.iss, kid) : this.operatorKey(claims.iss, kid)
    if (key === undefined || this.#control.keyWasRevoked(kid))
      return new Fault('unknown_key', { message: 'A record is not held up by an operator’s key.' })
    let ok = this.#verified.get(jws)
    if (ok === undefined) {
      ok = signatureHolds(jws, key)
      this.#verified.set(jws, ok)
    }
    if (!ok) return new Fault('bad_signature', { message: 'The signature of a record does not verify.' })
    return claims.aud === this.audience
      ? undefined
      : new Fault('wrong_audience', { message: 'A record is for another audience.' })
  }

  isPinned(operatorId: string): boolean {
    return Object.hasOwn(this.#trust.operators, operatorId)
  }

  #pinnedKey(operatorId: string, kid: string): PublicJwk | undefined {
    const pinned = this.isPinned(operatorId) ? this.#trust.operators[operatorId] : undefined
    return pinned !== undefined && thumbprint(pinned) === kid ? pinned : undefined
  }

  /** An operator's key: pinned, or in any valid version of the operator's record. Key revokes are the caller's to ask. */
  operatorKey(operatorId: string, kid: string): PublicJwk | undefined {
    const pinned = this.#pinnedKey(operatorId, kid)
    if (pinned !== undefined) return pinned
    for (const filed of this.#filed.get(nameOf('operator', operatorId)) ?? []) {
      const { record } = filed.command.claims as { readonly record: AgentRecord | null }
      const key = record?.keys.find((candidate) => thumbprint(candidate) === kid)
      if (key !== undefined && this.isValid(filed)) return key
    }
    return undefined
  }

  /** Who holds a key, or held it in an earlier version, over all kinds: a key is registered once, and an operator's counts in every version. */
  keyHolder(kid: string): { readonly kind: RecordKind; readonly id: string } | undefined {
    for (const filed of this.#filed.values()) {
      for (const value of filed) {
        const { kind, id, record } = value.command.claims
        const { keys } = (record ?? {}) as { readonly keys?: readonly PublicJwk[] }
        if (keys?.some((key) => thumbprint(key) === kid) && this.isValid(value)) return { kind, id }
      }
    }
    for (const [id, jwk] of Object.entries(this.#trust.operators))
      if (thumbprint(jwk) === kid) return { kind: 'operator', id }
    return undefined
  }

  /**
   * A service's key at the instant `atSeconds` (a message's `iat`, or now): one endorsement must cover it, for the role, and
   * no standing revoke may name it. Throws Fault `unknown_key`, `wrong_role`.
   */
  serviceKey(role: ServiceRole, kid: string, atSeconds: number): PublicJwk {
    return this.endorsementAt(role, kid, atSeconds).jwk
  }

  /** The newest endorsement that makes a service's key good at that instant. Throws as `serviceKey` does. */
  endorsementAt(role: ServiceRole, kid: string, atSeconds: number): KeyEndorsement {
    const endorsements = this.#endorsements.get(kid) ?? []
    if (endorsements.length > 0 && endorsements.every((endorsement) => endorsement.role !== role)) {
      throw new Fault('wrong_role', { message: `The key is not endorsed for ${role}.` })
    }
    const good = endorsements.filter(
      (endorsement) =>
        endorsement.role === role &&
        endorsement.iat <= atSeconds &&
        atSeconds < endorsement.exp &&
        !this.#control.endorsementIsRevoked(role, kid, endorsement.iat),
    )
    const [first, ...others] = good
    if (first === undefined)
      throw new Fault('unknown_key', { message: `No endorsement of ${role} covers the key at that time.` })
    return others.reduce((newest, other) => (other.iat > newest.iat ? other : newest), first)
  }

  /** The endorsements of a key, to be recorded as evidence. */
  endorsementsOf(kid: string): readonly { readonly compact: string; readonly digest: string }[] {
    return this.#endorsements.get(kid) ?? []
  }
}

function nameOf(kind: RecordKind, id: string): string {
  return `${kind}.${id}`
}

function asRecord<K extends RecordKind>(filed: FiledValue): FiledRecord<K> | undefined {
  const { kind, id, version, record } = filed.command.claims
  if (record === null) return undefined
  return {
    kind: kind as K,
    id,
    version,
    record: record as RecordOf<K>,
    digest: filed.command.jws.digest,
    value: filed.value,
  }
}

function signatureHolds(jws: UnverifiedJws, key: PublicJwk): boolean {
  try {
    verifyJws(jws, key)
    return true
  } catch (error) {
    if (error instanceof Fault) return false
    throw error
  }
}
