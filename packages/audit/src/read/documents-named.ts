import { isFault } from '@writ/contracts'
import { openDocument } from '../documents/sealed-document.ts'
import type { SubjectKeyOf } from '../verify/check-document.ts'
import { type GlimpsedEvent, glance } from './glance.ts'
import type { SignedLog } from './signed-log.ts'

/**
 * The signed messages that have these digests, as far as the logs hold them and keys open them. Each is the one that its digest names; who signed
 * it was not verified. Logs are read through, newest first, until all are found.
 */
export async function documentsNamed(
  logs: readonly SignedLog[],
  digests: ReadonlySet<string>,
  keyOf: SubjectKeyOf,
): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>()
  for (const log of logs.toReversed())
    for await (const { entry } of log.entries(0)) {
      if (found.size >= digests.size) return found
      for (const event of glance(entry)?.events ?? []) await take(event, digests, found, keyOf)
    }
  return found
}

async function take(
  { documents }: GlimpsedEvent,
  digests: ReadonlySet<string>,
  found: Map<string, string>,
  keyOf: SubjectKeyOf,
): Promise<void> {
  for (const { typ, digest, jws, jwe } of documents) {
    if (typ === undefined || digest === undefined || !digests.has(digest) || found.has(digest)) continue
    const content = { ...(jws !== undefined && { jws }), ...(jwe !== undefined && { jwe }) }
    try {
      const opened = await openDocument({ typ, digest, ...content }, keyOf)
      if (opened.state === 'open') found.set(digest, opened.jws)
    } catch (error) {
      // What is wrong with it is said where it is read.
      if (!isFault(error)) throw error
    }
  }
}
