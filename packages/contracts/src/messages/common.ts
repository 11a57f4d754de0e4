import { z } from 'zod'
import { JSON_VALUE_BYTES_MAX } from '../limits.ts'

/** Identifiers of CONTRACT section 1. Ids that begin with `rejected-` are reserved for refusals. */
export const Id = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/)
  .refine((id) => !id.startsWith('rejected-'), 'reserved')
/** As `Id`, and also the status id of a refused intent. */
export const StatusId = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/)
export const ActionName = z.string().regex(/^[a-z][a-z0-9-]{0,63}$/)
/** Unpadded, canonical base64url of 32 bytes: message digests, thumbprints, `*_sha256`. */
export const Sha256 = z.string().regex(/^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/)
export const NumericDate = z.int().min(0)
export const Sequence = z.int().min(0)

const codePoints = (text: string) => [...text].length
// Control characters but LF; C1 controls too, since a terminal obeys them.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
const CONTROL_CHARACTERS = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/
export const Text = z
  .string()
  .min(1)
  .max(2000)
  .refine(
    (text) => codePoints(text) <= 1000 && !CONTROL_CHARACTERS.test(text),
    'text of 1 to 1000 code points without control characters',
  )
export const User = z
  .string()
  .min(1)
  .max(508)
  .refine((user) => codePoints(user) <= 254, 'at most 254 code points')

export type JsonValue = null | boolean | number | string | JsonValue[] | { [name: string]: JsonValue }
export type JsonObject = { [name: string]: JsonValue }
/** Any JSON object; its values were checked when the payload was parsed as I-JSON. */
export const AnyObject: z.ZodType<JsonObject> = z.custom<JsonObject>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
)
/** `params`, `result`: sorting members does not change the length, so this is the length of the RFC 8785 form. */
export const BoundedObject: z.ZodType<JsonObject> = AnyObject.refine(
  (value) => new TextEncoder().encode(JSON.stringify(value)).byteLength <= JSON_VALUE_BYTES_MAX,
  'at most 8 KiB',
)

export const EcJwk = z.strictObject({ kty: z.literal('EC'), crv: z.literal('P-256'), x: Sha256, y: Sha256 })
export const OkpJwk = z.strictObject({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: Sha256 })
/** A public key: these members only (CONTRACT section 1). */
export const PublicJwk = z.discriminatedUnion('kty', [EcJwk, OkpJwk])
export type PublicJwk = z.infer<typeof PublicJwk>

export const SERVICE_ROLES = [
  'intent-gateway',
  'policy-evaluator',
  'token-issuer',
  'attestation-verifier',
  'audit-sink',
] as const
export type ServiceRole = (typeof SERVICE_ROLES)[number]
export const ServiceRoleName = z.enum(SERVICE_ROLES)

/** Who signs with keys of a registered record. */
export const PARTY_KINDS = ['agent', 'gateway', 'approver', 'operator'] as const
export type PartyKind = (typeof PARTY_KINDS)[number]

export const Rev = z.object({ stream: Id, seq: Sequence })
export const StrictRev = z.strictObject({ stream: Id, seq: Sequence })
export type Rev = z.infer<typeof Rev>

/** An exact signed message inside another one: checked when it is itself opened. */
export const Compact = z.string().min(1)

/** Claims of every message. */
export const base = { iss: z.string().min(1).max(128), aud: z.string().min(1).max(128), iat: NumericDate }
export const expiring = { ...base, exp: NumericDate }
