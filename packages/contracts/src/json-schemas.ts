import { z } from 'zod'
import { JSON_VALUE_BYTES_MAX } from './limits.ts'
import {
  ActionName,
  AgentRecord,
  AnyObject,
  BoundedObject,
  Compact,
  EcJwk,
  Enrolment,
  Id,
  intentMessage,
  MESSAGES,
  type Message,
  NumericDate,
  OkpJwk,
  PublicJwk,
  RECORD_KINDS,
  RECORDS,
  Sha256,
  StatusId,
  Text,
  User,
} from './messages/index.ts'

/** A JSON Schema (draft 2020-12), as plain JSON. */
export type JsonSchema = Readonly<Record<string, unknown>>

type Annotations = Readonly<Record<string, unknown>> & { readonly id?: string; readonly description: string }

/**
 * What JSON Schema cannot take from the checks themselves, in its own words. `id`: the shape is named in `$defs`. Sizes here are
 * code points, as JSON Schema counts them; the checks count UTF-16 units first, which is more and never less.
 */
const NOTES: readonly (readonly [z.ZodType, Annotations])[] = [
  [
    Id,
    {
      id: 'Id',
      description: 'An identifier. Those that begin with rejected- are reserved.',
      not: { pattern: '^rejected-' },
    },
  ],
  [
    StatusId,
    { id: 'StatusId', description: 'An identifier, or rejected-<first 16 of the digest> for what was refused.' },
  ],
  [ActionName, { id: 'ActionName', description: 'Name of an action, such as restart.' }],
  [
    Sha256,
    { id: 'Sha256', description: 'Unpadded, canonical base64url of 32 bytes: a digest, a thumbprint or a coordinate.' },
  ],
  [NumericDate, { id: 'NumericDate', description: 'Seconds since 1970-01-01T00:00:00Z (RFC 7519).' }],
  [
    Text,
    {
      id: 'Text',
      description: 'Text for people: 1 to 1000 code points, no control characters but LF.',
      maxLength: 1000,
      pattern: '^[^\\u0000-\\u0009\\u000b-\\u001f\\u007f-\\u009f]*$',
    },
  ],
  [User, { id: 'User', description: 'A user: 1 to 254 code points, compared exactly.', maxLength: 254 }],
  [
    Compact,
    {
      id: 'Compact',
      description:
        'An exact message in compact serialization, to be opened by itself: JWS, or JWE in jwe. A record may have cosigns below it, a line each.',
    },
  ],
  [PublicJwk, { id: 'PublicJwk', description: 'A public key with these members only (RFC 7517).' }],
  [EcJwk, { description: 'P-256; its algorithm is ES256.' }],
  [OkpJwk, { description: 'Ed25519; its algorithm is EdDSA.' }],
  [AnyObject, { id: 'AnyObject', description: 'Any JSON object in I-JSON (RFC 7493).', type: 'object' }],
  [
    BoundedObject,
    {
      id: 'BoundedObject',
      description: `Any JSON object of at most ${JSON_VALUE_BYTES_MAX} bytes in RFC 8785 form.`,
      type: 'object',
    },
  ],
  [intentMessage.schema.shape.targets, { description: 'Devices, each once.', uniqueItems: true }],
  [AgentRecord.shape.keys, { description: 'Public keys, each once.', uniqueItems: true }],
]

const RECORD_TITLES: Readonly<Record<(typeof RECORD_KINDS)[number], string>> = {
  agent: 'The record of an agent: the ceiling of what it may ever ask for.',
  device: 'The record of a device: what it can do, who reaches it, and what its actions need whatever policy says.',
  gateway: 'The record of a gateway.',
  approver: 'The record of an approver.',
  operator: 'The record of an operator.',
  policy: 'The record policy/active: which bundle decides.',
  subject: 'The record of a person: that the keys of what was sealed about them are destroyed.',
}

/**
 * Every shape of CONTRACT section 4 as JSON Schema, by file name: the claims of each message (`<typ>.json`), each kind of record
 * (`record-<kind>.json`), the enrolment package (`enrolment.json`), and `index.json`, a table of signers and limits. Where a reader
 * must refuse unknown members the schema says so; elsewhere it allows them. What no schema can say is in docs/clients.md.
 */
export function jsonSchemas(): ReadonlyMap<string, JsonSchema> {
  const registry = z.registry<Annotations>()
  for (const [schema, notes] of NOTES) registry.add(schema, notes)
  const files = new Map<string, JsonSchema>()
  files.set('index.json', indexOf(MESSAGES))
  for (const message of MESSAGES)
    files.set(`${message.typ}.json`, convert(registry, message.schema, message.typ, describe(message)))
  for (const kind of RECORD_KINDS)
    files.set(`record-${kind}.json`, convert(registry, RECORDS[kind], `record ${kind}`, RECORD_TITLES[kind]))
  const enrolment = 'enrolment.json: what is given out of band. credentials_file is relative to its folder.'
  files.set('enrolment.json', convert(registry, Enrolment, 'enrolment package', enrolment))
  return files
}

function convert(
  registry: z.core.$ZodRegistry<Annotations>,
  schema: z.ZodType,
  title: string,
  description: string,
): JsonSchema {
  const { $schema, ...shape } = z.toJSONSchema(schema, {
    target: 'draft-2020-12',
    // What a reader takes in: unknown members are refused only where the contract refuses them.
    io: 'input',
    unrepresentable: 'any',
    metadata: registry,
    override: ({ zodSchema, jsonSchema }) => {
      if (isCustom(zodSchema) && !registry.has(zodSchema)) throw new Error(`A check of ${title} is not described.`)
      delete jsonSchema.id
    },
  })
  return { $schema, title, description, ...shape }
}

/** A check that is a function: no converter can see what it refuses. */
function isCustom({ _zod: { def } }: z.core.$ZodType): boolean {
  return def.type === 'custom' || (def.checks ?? []).some((check) => check._zod.def.check === 'custom')
}

function describe({ typ, signers, bytesMax, lifetimeSecondsMax }: Message): string {
  const lifetime = lifetimeSecondsMax === undefined ? '' : ` exp is at most ${lifetimeSecondsMax} s after iat.`
  return `The claims of ${typ}, signed by: ${signers.join(', ')}. At most ${bytesMax} bytes as JWS.${lifetime}`
}

function indexOf(messages: readonly Message[]): JsonSchema {
  return Object.fromEntries(
    messages.map(({ typ, signers, bytesMax, lifetimeSecondsMax }) => [
      typ,
      {
        schema: `${typ}.json`,
        signers,
        bytes_max: bytesMax,
        ...(lifetimeSecondsMax !== undefined && { lifetime_seconds_max: lifetimeSecondsMax }),
      },
    ]),
  )
}
