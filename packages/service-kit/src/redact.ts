import { isFault } from '@writ/contracts'

const DEPTH_MAX = 6
const MEMBERS_MAX = 50
const TEXT_CHARACTERS_MAX = 2000

/** Members whose value never reaches a log, whatever it is. */
const SECRET_NAMES = new Set(
  words(`d k jws jwe jwt jwk token tokens body data payload params result evidence compact credentials creds seed nkey secret password
    passphrase key keys private_key privatekey authorization cookie purpose comment state on_behalf_of user users`),
)

/** Compact JOSE serializations, NATS seeds, PEM keys. */
const SECRET_TEXT = [
  [/\beyJ[\w-]*(?:\.[\w-]*){1,4}/g, '[jose]'],
  [/\bS[UAONCX][A-Z2-7]{54,}\b/g, '[seed]'],
  [/-----BEGIN [^-]*-----[^-]*(?:-----END [^-]*-----)?/g, '[pem]'],
] as const

/** Control characters that a terminal obeys, line feeds among them, and marks that turn the direction of text. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is replaced
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g

/** Text for a log: bounded, without what a terminal would obey, without signed messages and keys. */
export function redactText(text: string): string {
  const short = text.length > TEXT_CHARACTERS_MAX ? `${text.slice(0, TEXT_CHARACTERS_MAX)}…` : text
  return redactSecrets(short).replace(UNPRINTABLE, '�')
}

/** Replaces what has the form of a secret, and nothing else. */
export function redactSecrets(text: string): string {
  return SECRET_TEXT.reduce((clean, [pattern, mark]) => clean.replace(pattern, mark), text)
}

/** Any value for a log: secrets by name and by form are replaced; depth, breadth and lengths are bounded. Never throws. */
export function redact(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return redactText(value)
  if (typeof value === 'bigint') return String(value)
  if (typeof value === 'function' || typeof value === 'symbol') return undefined
  return typeof value === 'object' && value !== null ? redactObject(value, depth) : value
}

function redactObject(value: object, depth: number): unknown {
  if (depth >= DEPTH_MAX) return '[deep]'
  if (value instanceof Error) return redactError(value, depth)
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString()
  if (value instanceof Map || value instanceof Set) return `[${value.size} entries]`
  if (Array.isArray(value)) return value.slice(0, MEMBERS_MAX).map((item) => redact(item, depth + 1))
  return Object.fromEntries(
    Object.entries(value)
      .slice(0, MEMBERS_MAX)
      .map(([name, member]) => [
        redactText(name),
        SECRET_NAMES.has(name.toLowerCase()) ? '[redacted]' : redact(member, depth + 1),
      ]),
  )
}

/** Causes are followed: what failed is mostly in there. Messages of schema errors quote input, so only their paths are told. */
function redactError(error: Error, depth: number): unknown {
  const issues = 'issues' in error && Array.isArray(error.issues) ? error.issues : undefined
  return {
    type: redactText(error.name),
    ...('code' in error && { code: redact(error.code, depth + 1) }),
    ...(issues === undefined ? { message: redactText(error.message) } : { paths: issues.slice(0, 10).map(pathOf) }),
    ...(!isFault(error) && issues === undefined && { stack: stackOf(error) }),
    ...(error.cause !== undefined && { cause: redact(error.cause, depth + 1) }),
  }
}

function pathOf(issue: unknown): string {
  const { path } = Object(issue) as { readonly path?: unknown }
  return redactText(Array.isArray(path) ? path.map(String).join('.') : '')
}

/** The frames alone: the first line repeats the message. */
function stackOf(error: Error): string[] {
  const lines = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line))
  return lines.slice(0, 10).map((line) => redactText(line.trim()))
}

function words(text: string): string[] {
  return text.trim().split(/\s+/)
}
