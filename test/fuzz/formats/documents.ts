import { openDocument, parseSubjectKeys, sealDocument, wrappingKeyOf } from '@writ/audit'
import { EventDocument } from '@writ/contracts'
import { parseIJson, signerOf, signJws } from '@writ/keys'
import fc from 'fast-check'
import { type Format, format, jsonBytes, REFUSED } from '../format.ts'
import { keyOf } from '../plant.ts'
import { anyJson, jsonText } from './json.ts'

const KID = 'u-AAAAAAAAAAAAAAAAAAAAAA-2026q4'
const KEY = Buffer.from(keyOf('subject').d, 'base64url')
const keyFor = (kid: string): Uint8Array | undefined => (kid === KID ? KEY : undefined)

/** Sealed and open documents of events. An open one is the message that its digest names, and nothing else opens. */
export async function jwe(): Promise<Format> {
  const signer = signerOf(keyOf('document'))
  const typ = 'writ-intent+jwt'
  const messages = await Promise.all([{ a: 1 }, { b: 'two' }].map((claims) => signJws(signer, typ, claims)))
  const sealed = await Promise.all(messages.map((jws) => sealDocument(typ, jws, { kid: KID, key: KEY })))
  const open = { typ, digest: sealed[0]?.digest ?? '', jws: messages[0] ?? '' }
  return format<{ readonly digest: string; readonly typ: string }>({
    name: 'jwe-document',
    samples: [...sealed, open].map(jsonBytes),
    garbage: fc
      .tuple(anyJson, fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 4 }))
      .map(([header, rest]) => [jsonBytes(header), ...rest].map((part) => Buffer.from(part).toString('base64url')))
      .map((segments) => jsonBytes({ typ, digest: open.digest, jwe: segments.join('.') || 'x' })),
    genuine: true,
    read: async (input) => {
      const document = EventDocument.safeParse(parseIJson(input))
      if (!document.success) return REFUSED
      const opened = await openDocument(document.data as Parameters<typeof openDocument>[0], keyFor)
      if (opened.state === 'sealed') return REFUSED
      const [header, payload] = opened.jws.split('.')
      return { digest: document.data.digest, typ: document.data.typ, signed: `${header}.${payload}` }
    },
  })
}

export const subjectKeys = (): Format =>
  format<ReadonlyMap<string, Uint8Array>>({
    name: 'subject-keys',
    samples: [jsonBytes({ keys: [{ kty: 'oct', kid: KID, k: KEY.toString('base64url') }] }), jsonBytes({ keys: [] })],
    garbage: fc.oneof(
      jsonText,
      fc.array(anyJson, { maxLength: 3 }).map((keys) => jsonBytes({ keys })),
    ),
    read: parseSubjectKeys,
    write: (keys) =>
      jsonBytes({
        keys: [...keys].map(([kid, key]) => ({ kty: 'oct', kid, k: Buffer.from(key).toString('base64url') })),
      }),
  })

/** Wrapped subject keys, as the store of keys gives them back. */
export async function wrappedKey(): Promise<Format> {
  const wrapping = wrappingKeyOf(KEY)
  return format<Uint8Array>({
    name: 'wrapped-key',
    samples: [await wrapping.wrap('r/k', Buffer.alloc(32, 1)), await wrapping.wrap('r/k', Buffer.alloc(32, 2))],
    garbage: fc.uint8Array({ minLength: 55, maxLength: 65 }),
    genuine: true,
    read: (input) => wrapping.unwrap('r/k', input),
  })
}
