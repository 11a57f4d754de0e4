import type { AuditEvent } from '@writ/contracts'
import { fromBase64url, sha256 } from '@writ/keys'
import { parseOrigin } from '../core/epoch.ts'
import { HASH_BYTES } from '../core/merkle.ts'
import type { BlobRef } from '../log/blobs.ts'
import { blobKey } from '../log/log-keys.ts'
import type { LogReader } from './log-reader.ts'
import type { Findings, Where } from './verdicts.ts'

/** Compares the payloads that events name (`detail.blobs`) with what lies beside the logs. */
export class Blobs {
  readonly #reader: Pick<LogReader, 'read'>
  readonly #log: ReturnType<typeof parseOrigin>
  readonly #findings: Findings

  /** @param origin of the log that is verified: a payload beside one of another name is none of its */
  constructor(reader: Pick<LogReader, 'read'>, origin: string, findings: Findings) {
    this.#reader = reader
    this.#log = parseOrigin(origin)
    this.#findings = findings
  }

  async check({ type, detail }: Pick<AuditEvent, 'type' | 'detail'>, where: Where): Promise<void> {
    const named = detail?.['blobs']
    if (named === undefined) return
    const refs = Array.isArray(named) ? named.map((ref) => this.#ref(ref)) : [undefined]
    for (const ref of refs)
      if (ref !== undefined) await this.#compare(ref, type, where)
      else
        this.#findings.add(
          'message_malformed',
          where,
          `The payloads that ${type} names are not named as the contract says.`,
        )
  }

  async #compare({ origin, sha256: digest, length }: BlobRef, type: string, where: Where): Promise<void> {
    const object = blobKey(origin, digest)
    const bytes = await this.#reader.read(object)
    if (bytes === undefined)
      this.#findings.add('blob_missing', { ...where, object }, `The payload that ${type} names is missing.`)
    else if (bytes.length !== length || sha256(bytes) !== digest)
      this.#findings.add('blob_altered', { ...where, object }, `The payload that ${type} names was altered.`)
  }

  /** Undefined for what names no payload beside these logs. */
  #ref(value: unknown): BlobRef | undefined {
    const { origin, sha256: digest, length } = Object(value) as Readonly<Record<string, unknown>>
    if (typeof origin !== 'string' || typeof digest !== 'string' || typeof length !== 'number') return undefined
    const of = parseOrigin(origin)
    if (of === undefined || of.domain !== this.#log?.domain || of.region !== this.#log.region) return undefined
    return isDigest(digest) ? { origin, sha256: digest, length } : undefined
  }
}

function isDigest(text: string): boolean {
  try {
    return fromBase64url(text).length === HASH_BYTES
  } catch {
    return false
  }
}
