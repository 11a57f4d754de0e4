import { Fault, MESSAGES, type Message, PARTY_KINDS } from '@writ/contracts'
import { asMessage, canonicalJson, parseIJson, type UnverifiedJws } from '@writ/keys'
import fc from 'fast-check'
import { CLAIMS } from '../claims.ts'
import { type Format, format, jsonBytes } from '../format.ts'
import { anyJson } from './json.ts'

/** Format names of the 26 messages: `intent` for `writ-intent+jwt`. */
export const messageNames: readonly string[] = MESSAGES.map(({ typ }) => nameOf(typ))

function nameOf(typ: string): string {
  return `message-${typ.replace(/^writ-|\+jwt$/g, '')}`
}

/** The claims of one type, as `openMessage` checks them after the envelope. */
export function messageFormat(name: string): Format | undefined {
  const message = MESSAGES.find(({ typ }) => nameOf(typ) === name)
  return message === undefined ? undefined : claimsOf(message)
}

interface Claims {
  readonly claims: unknown
  readonly payload: unknown
}

function claimsOf(message: Message): Format {
  const samples = (CLAIMS[message.typ] ?? []).map(jsonBytes)
  const byParty = message.signers.some((signer) => (PARTY_KINDS as readonly string[]).includes(signer))
  return format<Claims>({
    name: nameOf(message.typ),
    samples,
    garbage: garbageFor(message.typ),
    read: (input) => {
      const payload = parseIJson(input)
      return { claims: asMessage(message, { typ: message.typ, payload } as UnverifiedJws).claims, payload }
    },
    meaning: ({ claims }) => claims,
    // What services sign may hold more than we know; that is left out, and the rest reads the same.
    write: ({ claims }) => jsonBytes(claims),
    check: ({ claims, payload }) => {
      if (byParty && canonicalJson(claims as never) !== canonicalJson(payload as never))
        return 'The claims are not what was signed.'
      return within(claims, payload) ? undefined : 'A claim is not what was signed.'
    },
  })
}

/** Whether each value is the one that was sent: nothing converted, nothing made up. */
function within(claims: unknown, payload: unknown): boolean {
  if (typeof claims !== 'object' || claims === null) return Object.is(claims, payload)
  if (typeof payload !== 'object' || payload === null || Array.isArray(claims) !== Array.isArray(payload)) return false
  if (Array.isArray(claims) && claims.length !== (payload as unknown[]).length) return false
  return Object.entries(claims).every(
    ([name, inner]) => Object.hasOwn(payload, name) && within(inner, (payload as Record<string, unknown>)[name]),
  )
}

/** The claims of the type with values from anywhere. */
function garbageFor(typ: string): fc.Arbitrary<Uint8Array> {
  const [sample] = (CLAIMS[typ] ?? []).slice(-1)
  if (sample === undefined) throw new Fault('internal', { message: `No sample of ${typ}.` })
  const claims = Object.fromEntries(
    Object.entries(sample).map(([name, value]) => [
      name,
      fc.oneof({ weight: 3, arbitrary: fc.constant<unknown>(value) }, anyJson),
    ]),
  )
  return fc
    .tuple(
      fc.record(claims, { requiredKeys: [] }),
      fc.option(fc.tuple(fc.string({ maxLength: 5 }), anyJson), { freq: 6 }),
    )
    .map(([known, more]) => jsonBytes(more === null ? known : { ...known, [more[0]]: more[1] }))
}
