import { randomBytes } from 'node:crypto'
import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetBucketVersioningCommand,
  GetObjectCommand,
  GetObjectRetentionCommand,
  HeadObjectCommand,
  type ObjectLockRetention,
  PutBucketVersioningCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
  type PutObjectCommandOutput,
  PutObjectRetentionCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import type { S3Place } from '../s3/s3-place.ts'
import { versionsOf } from '../s3/s3-versions.ts'
import { type Answer, type Answered, ask, isPolicy } from './answer.ts'

/** A locked object that nobody needs, and what must stay true of it. */
export interface Probe {
  readonly key: string
  readonly bytes: Uint8Array
  readonly versionId: string
  readonly until: Date
}

/**
 * The bucket, and objects of one run of the self-test in it. They lie under `.probe/`: no key of a store has a segment that begins with a dot, so they are in
 * no log's way, and tools that follow a log never ask for them.
 */
export class ProbeBucket {
  readonly #client: S3Client
  readonly #place: S3Place
  readonly #folder: string
  readonly #until: Date

  /** `until`: how long the probes are locked, in whole seconds, which is what servers keep. */
  constructor(client: S3Client, place: S3Place, until: Date) {
    this.#client = client
    this.#place = place
    this.#until = until
    this.#folder = `${place.prefix === '' ? '' : `${place.prefix}/`}.probe/${randomBytes(9).toString('hex')}`
  }

  key(name: string): string {
    return `${this.#folder}/${name}`
  }

  /** Writes a first object as the store does. The probe is there where the answer is `allowed` and names a version. */
  async create(name: string): Promise<{ readonly answer: Answer; readonly probe?: Probe }> {
    const key = this.key(name)
    const bytes = Buffer.from(`A probe of this store. ${key}\n`)
    const { output, ...answer } = await this.put(key, bytes, { IfNoneMatch: '*' })
    const versionId = output?.VersionId
    if (versionId === undefined || versionId === 'null') return { answer }
    return { answer, probe: { key, bytes, versionId, until: this.#until } }
  }

  /** Bytes under COMPLIANCE retention with their SHA-256, which the SDK computes unless it is given. */
  put(key: string, body: Uint8Array, more: Partial<PutObjectCommandInput>): Promise<Answered<PutObjectCommandOutput>> {
    const input: PutObjectCommandInput = {
      Bucket: this.#place.bucket,
      Key: key,
      Body: body,
      ObjectLockMode: 'COMPLIANCE',
      ObjectLockRetainUntilDate: this.#until,
      ChecksumAlgorithm: 'SHA256',
      ...more,
    }
    return ask('PutObject', key, () => this.#client.send(new PutObjectCommand(input)))
  }

  delete(key: string, more: { VersionId?: string; BypassGovernanceRetention?: boolean } = {}): Promise<Answer> {
    return ask('DeleteObject', key, () =>
      this.#client.send(new DeleteObjectCommand({ Bucket: this.#place.bucket, Key: key, ...more })),
    )
  }

  /** The answer is the one for the key, not the one for the list. */
  async deleteInBulk({ key, versionId }: Probe, bypass: boolean): Promise<Answer> {
    const Delete = { Objects: [{ Key: key, VersionId: versionId }] }
    const input = {
      Bucket: this.#place.bucket,
      Delete,
      ChecksumAlgorithm: 'SHA256',
      ...(bypass && { BypassGovernanceRetention: true }),
    } as const
    const { output, ...answer } = await ask('DeleteObjects', key, () =>
      this.#client.send(new DeleteObjectsCommand(input)),
    )
    const [error] = output?.Errors ?? []
    if (error === undefined) return answer
    return { status: 403, code: error.Code ?? 'an error without a code', byPolicy: isPolicy(error.Message) }
  }

  retain({ key, versionId }: Probe, Retention: ObjectLockRetention, bypass: boolean): Promise<Answer> {
    const input = {
      Bucket: this.#place.bucket,
      Key: key,
      VersionId: versionId,
      Retention,
      ...(bypass && { BypassGovernanceRetention: true }),
    }
    return ask('PutObjectRetention', key, () => this.#client.send(new PutObjectRetentionCommand(input)))
  }

  setVersioning(Status: 'Enabled' | 'Suspended'): Promise<Answer> {
    const input = { Bucket: this.#place.bucket, VersioningConfiguration: { Status } }
    return ask('PutBucketVersioning', this.#place.bucket, () =>
      this.#client.send(new PutBucketVersioningCommand(input)),
    )
  }

  /** `Enabled`, `Suspended`, `off`, or the refusal of an answer. */
  async versioning(): Promise<string> {
    const { output, code } = await ask('GetBucketVersioning', this.#place.bucket, () =>
      this.#client.send(new GetBucketVersioningCommand({ Bucket: this.#place.bucket })),
    )
    return output === undefined ? code : (output.Status ?? 'off')
  }

  async exists(key: string): Promise<boolean> {
    const { status } = await ask('GetObject', key, () =>
      this.#client.send(new GetObjectCommand({ Bucket: this.#place.bucket, Key: key })),
    )
    return status < 300
  }

  /** What has become of a probe, in a few words; undefined where its first version is what readers take, whole and locked as long as before. */
  async damage({ key, bytes, versionId, until }: Probe): Promise<string | undefined> {
    const { output, ...answer } = await ask('GetObject', key, () =>
      this.#client.send(new GetObjectCommand({ Bucket: this.#place.bucket, Key: key, VersionId: versionId })),
    )
    if (output?.Body === undefined) return `the first version is gone (${answer.status} ${answer.code})`
    if (Buffer.compare(await output.Body.transformToByteArray(), bytes) !== 0)
      return 'the first version holds other bytes'
    const { Mode, RetainUntilDate } = (await this.#retention(key, versionId)) ?? {}
    if (Mode !== 'COMPLIANCE') return `the lock’s mode is ${Mode ?? 'none'}`
    if ((RetainUntilDate?.getTime() ?? 0) < until.getTime()) return 'the lock ends earlier'
    // What readers take.
    const { versions } = await versionsOf(this.#client, this.#place, key)
    return versions.at(-1)?.versionId === versionId ? undefined : 'another version is the first'
  }

  /** As the object's headers say, or where a server leaves them out there, as its retention says. */
  async #retention(key: string, versionId: string): Promise<ObjectLockRetention | undefined> {
    const version = { Bucket: this.#place.bucket, Key: key, VersionId: versionId }
    const { output: head } = await ask('HeadObject', key, () => this.#client.send(new HeadObjectCommand(version)))
    const { ObjectLockMode: Mode, ObjectLockRetainUntilDate: RetainUntilDate } = head ?? {}
    if (Mode !== undefined) return { Mode, RetainUntilDate }
    const { output } = await ask('GetObjectRetention', key, () =>
      this.#client.send(new GetObjectRetentionCommand(version)),
    )
    return output?.Retention
  }

  /** The SHA-256 that the server keeps of a probe, in base64. */
  async checksum({ key, versionId }: Probe): Promise<string | undefined> {
    const input = { Bucket: this.#place.bucket, Key: key, VersionId: versionId, ChecksumMode: 'ENABLED' } as const
    const { output } = await ask('GetObject', key, () => this.#client.send(new GetObjectCommand(input)))
    await output?.Body?.transformToByteArray()
    return output?.ChecksumSHA256
  }
}
