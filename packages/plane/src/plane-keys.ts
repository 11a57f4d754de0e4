import { openWrappingKey } from '@writ/audit'
import { Fault, PublicJwk, SERVICE_ROLES, type ServiceRole } from '@writ/contracts'
import { openSigner, thumbprint } from '@writ/keys'

/** Which keys of a plane lie elsewhere, by their references. What is absent is a file of the plane's folder. */
export interface KeyReferences {
  /** Signs the log's checkpoints. */
  readonly log?: string
  /** Signs the times of checkpoints. `file:` alone: a file of the plane's folder. Absent: there is none, and checkpoints say no time. */
  readonly cosign?: string
  /** Wraps the subject keys: a symmetric key. */
  readonly wrap?: string
  readonly anchors?: Partial<Readonly<Record<ServiceRole, string>>>
}

/** A key that lies elsewhere, as it was when the plane was made. Whatever its reference means later, this is the key that is trusted. */
interface PinnedKey {
  readonly reference: string
  readonly jwk: PublicJwk
}

/** As in `plane.json`. */
export interface PinnedKeys {
  readonly log?: PinnedKey
  readonly cosign?: PinnedKey | 'file:'
  readonly wrap?: string
  readonly anchors?: Partial<Readonly<Record<ServiceRole, PinnedKey>>>
}

/** Reads the public keys that are to be pinned, and looks whether the wrapping key is one. Throws Fault `malformed` or `unavailable`. */
export async function pinKeys({ log, cosign, wrap, anchors = {} }: KeyReferences): Promise<PinnedKeys> {
  const pin = async (reference: string): Promise<PinnedKey> => ({ reference, jwk: (await openSigner(reference)).jwk })
  if (wrap !== undefined) await openWrappingKey(wrap)
  const roles = await Promise.all(
    Object.entries(anchors).map(async ([role, reference]) => [role, await pin(reference)] as const),
  )
  return pinnedKeys({
    ...(log !== undefined && { log: await pin(log) }),
    ...(cosign !== undefined && { cosign: cosign === 'file:' ? cosign : await pin(cosign) }),
    ...(wrap !== undefined && { wrap }),
    ...(roles.length > 0 && { anchors: Object.fromEntries(roles) }),
  })
}

/** The references that were pinned, to compare them with what is asked for. */
export function referencesOf({ log, cosign, wrap, anchors = {} }: PinnedKeys): KeyReferences {
  const roles = Object.entries(anchors).map(([role, key]): [string, string] => [role, key.reference])
  return {
    ...(log !== undefined && { log: log.reference }),
    ...(cosign !== undefined && { cosign: cosign === 'file:' ? cosign : cosign.reference }),
    ...(wrap !== undefined && { wrap }),
    ...(roles.length > 0 && { anchors: Object.fromEntries(roles.sort(([a], [b]) => (a < b ? -1 : 1))) }),
  }
}

/** Reads what `plane.json` says of them, in one order. Throws Fault `malformed`. */
export function pinnedKeys(value: unknown): PinnedKeys {
  const { log, cosign, wrap, anchors, ...others } = Object(value) as Readonly<Record<string, unknown>>
  const roles = Object.entries(Object(anchors) as object)
  const unknown = [
    ...Object.keys(others),
    ...roles.map(([role]) => role).filter((role) => !SERVICE_ROLES.some((one) => one === role)),
  ]
  if (unknown.length > 0) throw malformed(`there is no key ${unknown[0]}`)
  return {
    ...(log !== undefined && { log: pinned(log) }),
    ...(cosign !== undefined && { cosign: cosign === 'file:' ? cosign : pinned(cosign) }),
    ...(wrap !== undefined && { wrap: referenceOf(wrap) }),
    ...(roles.length > 0 && {
      anchors: Object.fromEntries(
        SERVICE_ROLES.flatMap((role) => roles.filter(([one]) => one === role)).map(([role, key]) => [
          role,
          pinned(key),
        ]),
      ),
    }),
  }
}

function pinned(value: unknown): PinnedKey {
  const { reference, jwk } = Object(value) as Readonly<Record<string, unknown>>
  const parsed = PublicJwk.safeParse(jwk)
  if (!parsed.success) throw malformed('a key is no public key')
  return { reference: referenceOf(reference), jwk: parsed.data }
}

function referenceOf(value: unknown): string {
  if (typeof value === 'string' && /^(file|kms):\S+$/.test(value)) return value
  throw malformed('a key reference is file:<path> or kms:<key ARN or alias>')
}

/** Throws Fault `malformed` where one key is to do two things: what it signs for the one could be shown as said for the other. */
export function assertDistinct(keys: readonly PublicJwk[]): void {
  if (new Set(keys.map(thumbprint)).size < keys.length) throw malformed('one key is named for two uses')
}

const malformed = (why: string): Fault => new Fault('malformed', { message: `The keys of the plane: ${why}.` })
