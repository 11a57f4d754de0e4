import { type AuditEvent, type BlobRef, blobRefsOf } from '@writ/contracts'
import { sha256 } from '@writ/keys'
import { parseOrigin } from '../core/epoch.ts'
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
    const refs = blobRefsOf(detail)
    if (refs?.every(({ origin }) => this.#isOurs(origin)) === true)
      for (const ref of refs) await this.#compare(ref, type, where)
    else this.#findings.add('message_malformed', where, `${type} names payloads in another form than may be.`)
  }

  async #compare({ origin, sha256: digest, length }: BlobRef, type: string, where: Where): Promise<void> {
    const object = blobKey(origin, digest)
    const bytes = await this.#reader.read(object)
    if (bytes === undefined)
      this.#findings.add('blob_missing', { ...where, object }, `The payload that ${type} names is missing.`)
    else if (bytes.length !== length || sha256(bytes) !== digest)
      this.#findings.add('blob_altered', { ...where, object }, `The payload that ${type} names was altered.`)
  }

  #isOurs(origin: string): boolean {
    const named = parseOrigin(origin)
    return named !== undefined && named.domain === this.#log?.domain && named.region === this.#log.region
  }
}
