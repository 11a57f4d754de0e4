import {
  type EventDocument,
  isFault,
  MESSAGES,
  type Message,
  PARTY_KINDS,
  type PartyKind,
  SERVICE_ROLES,
  type ServiceRole,
} from '@writ/contracts'
import { openMessage, type Unverified, verifyJws, verifyJwsAhead } from '@writ/keys'
import { openDocument } from '../documents/sealed-document.ts'
import type { FoundKey, KeyRing } from './key-ring.ts'

export type SubjectKeyOf = (kid: string) => Uint8Array | undefined

export type CheckedDocument =
  /** There is no key to open it with. */
  | { readonly state: 'sealed' }
  | { readonly state: 'good'; readonly opened: Unverified }
  /** Its signer's key is not known, as far as the log was read. */
  | { readonly state: 'unknown' }
  | { readonly state: 'bad'; readonly why: string }

/** Opens an event's document as far as keys allow, and checks form, digest and signature. Its claims are judged by who uses them. */
export async function checkDocument(
  document: EventDocument,
  ring: KeyRing,
  keyOf: SubjectKeyOf,
): Promise<CheckedDocument> {
  try {
    const message = MESSAGES.find(({ typ }) => typ === document.typ)
    let opened = message && inTheClear(document, message)
    if (opened === undefined) {
      const content = await openDocument(document, keyOf)
      if (content.state === 'sealed') return content
      if (message === undefined) return { state: 'bad', why: 'is of no type of the contract' }
      opened = takenApart(message, content.jws)
    }
    if (opened.message.signers.includes('anchor')) {
      ring.endorse(opened.jws.compact)
      return { state: 'good', opened }
    }
    const key = signerOf(opened.message, opened, ring)
    if (key.state === 'unknown') return key
    if (key.state === 'wrong') return { state: 'bad', why: 'is signed by a key of another role' }
    if (key.state === 'expired') return { state: 'bad', why: 'is signed by a key that was not endorsed at that time' }
    verifyJws(opened.jws, key.jwk)
    return { state: 'good', opened }
  } catch (error) {
    if (!isFault(error)) throw error
    return { state: 'bad', why: WHY[error.code] ?? 'cannot be read' }
  }
}

/** Looks at the signature of a document in the clear beside other work, where its key is known already. Says nothing, and never throws. */
export async function checkDocumentAhead({ typ, jws }: EventDocument, ring: KeyRing): Promise<void> {
  const message = jws === undefined ? undefined : MESSAGES.find((one) => one.typ === typ)
  if (message === undefined || jws === undefined || message.signers.includes('anchor')) return
  try {
    const opened = takenApart(message, jws)
    const key = signerOf(message, opened, ring)
    if (key.state === 'good') await verifyJwsAhead(opened.jws, key.jwk)
  } catch (error) {
    if (!isFault(error)) throw error
  }
}

/** A document that is the one its event names, where nothing has to be decrypted for it; undefined: it must be looked at more closely. */
function inTheClear({ typ, digest, jws, jwe }: EventDocument, message: Message): Unverified | undefined {
  const known = jws === undefined || jwe !== undefined ? undefined : apart.get(jws)
  if (known === undefined || known.message !== message) return undefined
  return known.jws.typ === typ && known.jws.digest === digest ? known : undefined
}

const APART_MAX = 1024
/** Documents that were taken apart lately, by their text: the same decision is recorded by several sources. */
const apart = new Map<string, Unverified>()

function takenApart(message: Message, jws: string): Unverified {
  const known = apart.get(jws)
  if (known !== undefined && known.message === message) return known
  const opened = openMessage(message, jws)
  if (apart.size >= APART_MAX) apart.delete(apart.keys().next().value as string)
  apart.set(jws, opened)
  return opened
}

const WHY: Readonly<Record<string, string>> = {
  bad_signature: 'has a signature that does not verify',
  chain_broken: 'is not the one that its event names',
  unknown_key: 'is not signed by a pinned anchor',
}

/** The best key that any of the type's signers has for it. */
function signerOf({ signers }: Message, { jws, claims }: Unverified, ring: KeyRing): FoundKey {
  const { iss, iat } = claims as { readonly iss: string; readonly iat: number }
  let found: FoundKey = { state: 'unknown' }
  for (const signer of signers) {
    const key: FoundKey = isService(signer)
      ? ring.serviceKey(signer, jws.kid, iat)
      : isParty(signer)
        ? ring.partyKey(signer, iss, jws.kid)
        : found
    if (key.state === 'good') return key
    if (key.state !== 'unknown') found = key
  }
  return found
}

const isService = (signer: string): signer is ServiceRole => (SERVICE_ROLES as readonly string[]).includes(signer)
const isParty = (signer: string): signer is PartyKind => (PARTY_KINDS as readonly string[]).includes(signer)
