import { ALWAYS_TWO_PERSON, type AuditEvent, type Command, type Cosign, type RecordKind } from '@writ/contracts'
import type { Where } from './verdicts.ts'

interface Cosigned {
  /** Of whose command, and who signed, where that is not sealed. */
  readonly of: string | undefined
  readonly by: string | undefined
}

interface Filed {
  readonly name: string
  readonly digest: string
  readonly by: string | undefined
  readonly where: Where
  /** The services' time when it was read. */
  readonly since: number
}

/**
 * Whether records of kinds that need two operators have both: a command and another operator's cosign. Sealed ones are counted by
 * intent-gateway's word; of opened ones it is compared who signed, and what. A large command and its cosigns may come as two events.
 */
export class SecondOperators {
  readonly #kinds: readonly RecordKind[]
  readonly #filed = new Map<string, Filed>()
  readonly #cosigns = new Map<string, Map<string, Cosigned>>()

  constructor(kinds: readonly RecordKind[]) {
    this.#kinds = [...ALWAYS_TWO_PERSON, ...kinds]
  }

  command({ detail }: AuditEvent, digest: string, claims: Command | undefined, where: Where, since: number): void {
    const name = this.#nameOf(detail)
    if (name === undefined || this.#filed.get(digest)?.by !== undefined) return
    this.#filed.set(digest, { name, digest, by: claims?.iss, where, since })
  }

  cosign({ detail }: AuditEvent, digest: string, claims: Cosign | undefined): void {
    const name = this.#nameOf(detail)
    if (name === undefined) return
    const known = this.#cosigns.get(name) ?? new Map<string, Cosigned>()
    this.#cosigns.set(name, known.set(digest, { of: claims?.command_digest, by: claims?.iss }))
  }

  /** Records of such kinds that were filed. */
  get count(): number {
    return this.#filed.size
  }

  /** Those that one operator alone signed. */
  *missing(): Generator<Filed> {
    for (const filed of this.#filed.values()) {
      const cosigns = [...(this.#cosigns.get(filed.name)?.values() ?? [])]
      const both = cosigns.some(
        ({ of, by }) =>
          (of === undefined || of === filed.digest) && (by === undefined || filed.by === undefined || by !== filed.by),
      )
      if (!both) yield filed
    }
  }

  /** For people, of kinds that need two; undefined for others. */
  #nameOf(detail: AuditEvent['detail']): string | undefined {
    const { kind, id, version } = detail ?? {}
    return this.#kinds.some((one) => one === kind)
      ? `${String(kind)} ${String(id)} version ${String(version)}`
      : undefined
  }
}
