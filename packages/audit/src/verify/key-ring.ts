import {
  CLOCK_AHEAD_SECONDS_MAX,
  ENDORSEMENT_SECONDS_MAX,
  Fault,
  type KeyEndorsement,
  keyMessage,
  type PartyKind,
  type PublicJwk,
  type ServiceRole,
  type Trust,
} from '@writ/contracts'
import { openMessage, thumbprint, verifyJws } from '@writ/keys'

/** What is pinned out of band. `two_person`: kinds of records that need two operators; nothing is said of them where it is absent. */
export type Pins = Pick<Trust, 'operators' | 'anchors'> & { readonly two_person?: Trust['two_person'] }

/** A record as the log tells of its filing. `keys` is empty when it was removed. */
export interface FiledKeys {
  readonly kind: PartyKind
  readonly id: string
  readonly version: number
  readonly keys: readonly PublicJwk[]
  readonly filedAtSeconds: number
}

export type FoundKey =
  | { readonly state: 'good'; readonly jwk: PublicJwk }
  /** No pinned anchor endorsed it and no operator registered it, as far as the log was read. */
  | { readonly state: 'unknown' }
  /** It is another's. */
  | { readonly state: 'wrong' }
  | { readonly state: 'expired' }

/** Keys that the log itself shows to be valid: endorsements by pinned anchors, and registered records. Grows with boots and records alone. */
export class KeyRing {
  readonly #pins: Pins
  readonly #audience: string
  readonly #endorsements = new Map<string, KeyEndorsement[]>()
  readonly #filed = new Map<string, FiledKeys[]>()

  constructor(pins: Pins, region: string) {
    this.#pins = pins
    this.#audience = `writ:${region}`
  }

  /** Takes an endorsement in. Throws a Fault unless the role's pinned anchor signed it and it does not contradict itself. */
  endorse(jws: string): void {
    const { claims, jws: parsed } = openMessage(keyMessage, jws)
    const anchor = this.#pins.anchors[claims.role]
    if (anchor === undefined || parsed.kid !== thumbprint(anchor))
      throw new Fault('unknown_key', { message: 'Not the pinned anchor of the role.' })
    verifyJws(parsed, anchor)
    const sound =
      thumbprint(claims.jwk) === claims.kid &&
      claims.iss === claims.role &&
      claims.aud === this.#audience &&
      claims.exp - claims.iat <= ENDORSEMENT_SECONDS_MAX
    if (!sound) throw new Fault('malformed', { message: 'The endorsement contradicts itself.' })
    const known = this.#endorsements.get(claims.kid) ?? []
    if (
      !known.some(
        ({ iat, exp, instance, role }) =>
          iat === claims.iat && exp === claims.exp && instance === claims.instance && role === claims.role,
      )
    )
      this.#endorsements.set(claims.kid, [...known, claims])
  }

  /** A service's key at an instant; `instance` where the message says which one signed. */
  serviceKey(role: ServiceRole, kid: string, atSeconds: number, instance?: string): FoundKey {
    const all = this.#endorsements.get(kid)
    if (all === undefined) return { state: 'unknown' }
    const own = all.filter((one) => one.role === role && (instance === undefined || one.instance === instance))
    if (own.length === 0) return { state: 'wrong' }
    const good = own.find(({ iat, exp }) => iat <= atSeconds && atSeconds < exp)
    return good === undefined ? { state: 'expired' } : { state: 'good', jwk: good.jwk }
  }

  /** Endorsements that make a service's key good at an instant. */
  endorsementsAt(role: ServiceRole, kid: string, atSeconds: number, instance?: string): readonly KeyEndorsement[] {
    return (this.#endorsements.get(kid) ?? []).filter(
      (one) =>
        one.role === role &&
        (instance === undefined || one.instance === instance) &&
        one.iat <= atSeconds &&
        atSeconds < one.exp,
    )
  }

  /** Keeps a filed record. False when it says nothing new. */
  file(filed: FiledKeys): boolean {
    const name = `${filed.kind}/${filed.id}`
    const known = this.#filed.get(name) ?? []
    const kids = (keys: readonly PublicJwk[]) => keys.map(thumbprint).join(' ')
    if (known.some(({ version, keys }) => version === filed.version && kids(keys) === kids(filed.keys))) return false
    this.#filed.set(
      name,
      [...known, filed].sort((a, b) => a.version - b.version),
    )
    return true
  }

  /** A party's key in any version of its record; an operator's pinned one too. */
  partyKey(kind: PartyKind, id: string, kid: string): FoundKey {
    const pinned = kind === 'operator' && Object.hasOwn(this.#pins.operators, id) ? this.#pins.operators[id] : undefined
    const keys = [
      ...(pinned === undefined ? [] : [pinned]),
      ...(this.#filed.get(`${kind}/${id}`) ?? []).flatMap((filed) => filed.keys),
    ]
    const jwk = keys.find((key) => thumbprint(key) === kid)
    return jwk === undefined ? { state: 'unknown' } : { state: 'good', jwk }
  }

  /** Whether the record's last version removed it. */
  isRemoved(kind: PartyKind, id: string): boolean {
    return this.#filed.get(`${kind}/${id}`)?.at(-1)?.keys.length === 0
  }

  /** Whether a later version of the record had dropped the key before the instant. */
  wasWithdrawn(kind: PartyKind, id: string, kid: string, atSeconds: number): boolean {
    const versions = this.#filed.get(`${kind}/${id}`) ?? []
    const last = versions.findLastIndex(({ keys }) => keys.some((key) => thumbprint(key) === kid))
    const dropped = versions[last + 1]
    return last >= 0 && dropped !== undefined && atSeconds > dropped.filedAtSeconds + CLOCK_AHEAD_SECONDS_MAX
  }
}
