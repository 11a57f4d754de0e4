import { calculateJwkThumbprint, type JWK } from 'jose'
import { type Claims, type Opened, open, verified } from './outsider-jws.ts'

export interface Entry {
  readonly name: string
  readonly typ?: string
  readonly subject?: string
  readonly digest?: string
  readonly raw: string
}

export interface Transcript {
  readonly region: string
  readonly enrolment: { readonly trust: Record<'operators' | 'anchors', Readonly<Record<string, JWK>>> }
  readonly entries: readonly Entry[]
}

/** Signed entries, by name, taken apart: nothing verified. */
export function openedEntries({ entries }: Transcript): ReadonlyMap<string, Opened> {
  return new Map(entries.flatMap(({ name, typ, raw }) => (typ === undefined ? [] : [[name, open(raw)] as const])))
}

/**
 * Keys that the transcript itself gives a reader, by thumbprint and for whom: from the pins to endorsements and records, each verified
 * before its keys are believed. Nothing of this project's code is used.
 */
export async function keysOf(transcript: Transcript): Promise<ReadonlyMap<string, { whose: string; jwk: JWK }>> {
  const { operators, anchors } = transcript.enrolment.trust
  const keys = new Map<string, { whose: string; jwk: JWK }>()
  const add = async (whose: string, jwk: JWK) => keys.set(await calculateJwkThumbprint(jwk, 'sha256'), { whose, jwk })
  for (const [id, jwk] of Object.entries(operators)) await add(`operator ${id}`, jwk)
  for (const [role, jwk] of Object.entries(anchors)) await add(`anchor ${role}`, jwk)
  for (const { typ, claims, kid, compact } of openedEntries(transcript).values()) {
    const signer = keys.get(kid)
    if (signer === undefined || (typ !== 'writ-key+jwt' && typ !== 'writ-command+jwt')) continue
    await verified(compact, signer.jwk, typ)
    if (signer.whose === `anchor ${String(claims['role'])}`) await add(String(claims['role']), claims['jwk'] as JWK)
    const { keys: found = [] } = (claims['record'] ?? {}) as { keys?: JWK[] }
    if (signer.whose.startsWith('operator '))
      for (const jwk of found) await add(`${String(claims['kind'])} ${String(claims['id'])}`, jwk)
  }
  return keys
}

/** Names of everything in a value, in the order in which they stand; what differs from run to run is left out. */
export function namesIn(value: unknown, path = ''): readonly string[] {
  if (Array.isArray(value)) return [...new Set(value.flatMap((each) => namesIn(each, `${path}[]`)))]
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, each]) => {
    const at = path === 'heads' ? `${path}.*` : path === '' ? name : `${path}.${name}`
    return [at, ...namesIn(each, at)]
  })
}

/** What a transcript says about the wire, without its bytes: the messages in their order, their headers and the names of their claims. */
export function structureOf(transcript: Transcript): readonly unknown[] {
  const opened = openedEntries(transcript)
  return transcript.entries.map(({ name, typ, subject }) => {
    const message = opened.get(name)
    if (message === undefined) return [name, subject === undefined]
    const names = new Set(namesIn(oneEvent(name, message.claims)))
    return [name, typ, subject === undefined, namesIn(headerOf(message)), [...names]]
  })
}

const headerOf = ({ compact }: Opened): unknown =>
  JSON.parse(Buffer.from(compact.split('.')[0] ?? '', 'base64url').toString())

/** How many events share an audit message is chance: only the one that the entry is about counts. */
function oneEvent(name: string, claims: Claims): Claims {
  const events = claims['events'] as Claims[] | undefined
  if (events === undefined) return claims
  return { ...claims, events: events.filter(({ type }) => name === `audit ${String(type)}`) }
}
