import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  DeleteObjectCommand,
  GetObjectCommand,
  GetObjectLegalHoldCommand,
  GetObjectRetentionCommand,
  HeadObjectCommand,
  PutObjectCommand,
  PutObjectLegalHoldCommand,
  PutObjectRetentionCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import { Fault } from '@writ/contracts'
import { s3Fault, s3Problem } from './s3-fault.ts'
import { type S3Place, s3Url } from './s3-place.ts'

/** What a version is kept by. */
export interface Kept {
  readonly mode: string | undefined
  readonly until: Date | undefined
  readonly held: boolean
  /** By S3's clock. */
  readonly storedAt?: Date | undefined
}

export interface Found extends Kept {
  readonly bytes: Uint8Array
  readonly versionId: string
  readonly etag: string
}

export interface NewVersion {
  readonly bytes: Uint8Array
  readonly until: Date
  /** Absent: only if there is no current version. */
  readonly ifMatch?: string
  /** Names this one write among the versions, for a writer that lost the answer. */
  readonly writeId?: string
}

/** `exists`: there is a current version that is not the expected one. `absent`: one was expected and there is none (or a delete marker lies on it). */
export type Put = { readonly versionId: string; readonly etag: string } | 'exists' | 'absent'

/** 409 ConditionalRequestConflict: another conditional write of this key was under way. */
const CONFLICT_TRIES_MAX = 8
const CONFLICT_WAIT_MS = 50
/** Four times the largest bundle: 256 entries of 64 KiB. */
const BYTES_MAX = 64 * 2 ** 20
/** The last: an object without retention or hold. */
const ABSENT = new Set(['NoSuchKey', 'NoSuchVersion', 'NotFound', 'NoSuchObjectLockConfiguration'])

/** Single requests on the versions under one prefix of a bucket. What S3 does not do is thrown as Fault `unavailable`. */
export class S3Objects {
  readonly place: S3Place
  readonly client: S3Client

  constructor(place: S3Place, client: S3Client) {
    this.place = place
    this.client = client
  }

  /** The whole key in the bucket. */
  full(key: string): string {
    return this.place.prefix === '' ? key : `${this.place.prefix}/${key}`
  }

  /** Adds a version under COMPLIANCE retention, with our own SHA-256 for S3 to compare, and only if the condition holds. */
  async put(key: string, { bytes, until, ifMatch, writeId }: NewVersion): Promise<Put> {
    const command = new PutObjectCommand({
      ...this.#at(key),
      Body: bytes,
      ContentType: /(^|\/)(checkpoint|[^/]*\.txt)$/.test(key)
        ? 'text/plain; charset=utf-8'
        : 'application/octet-stream',
      ChecksumAlgorithm: 'SHA256',
      ChecksumSHA256: createHash('sha256').update(bytes).digest('base64'),
      ObjectLockMode: 'COMPLIANCE',
      ObjectLockRetainUntilDate: until,
      ...(ifMatch === undefined ? { IfNoneMatch: '*' } : { IfMatch: ifMatch }),
      ...(writeId !== undefined && { Metadata: { 'writ-write': writeId } }),
    })
    for (let tries = 1; ; tries++) {
      try {
        const { VersionId, ETag } = await this.client.send(command)
        return { versionId: this.#versioned(key, VersionId), etag: ETag ?? '' }
      } catch (error) {
        const { name, status } = s3Problem(error)
        if (status === 412) return 'exists'
        if (ABSENT.has(name)) return 'absent'
        if (status !== 409 || tries >= CONFLICT_TRIES_MAX) throw this.#fault('PutObject', key, error)
        await sleep(Math.random() * CONFLICT_WAIT_MS * 2 ** tries)
      }
    }
  }

  /**
   * The bytes of a version, or of the current one; undefined where that is a delete marker, there is none, or `wanted` does not want it. Throws also for what is
   * larger than anything of a log: whoever may write here must not fill the reader's memory.
   */
  async get(
    key: string,
    versionId?: string,
    wanted: (versionId: string) => Promise<boolean> = async () => true,
  ): Promise<Found | undefined> {
    const command = new GetObjectCommand({ ...this.#at(key), VersionId: versionId, ChecksumMode: 'ENABLED' })
    return await this.#ifThere('GetObject', key, async () => {
      const answer = await this.client.send(command)
      const { Body: body, ContentLength: length = 0 } = answer
      try {
        const found = this.#versioned(key, answer.VersionId)
        if (!(await wanted(found))) return undefined
        if (length > BYTES_MAX) throw this.#tooLarge(key, length)
        const bytes = (await body?.transformToByteArray()) ?? new Uint8Array()
        return { ...keptBy(answer), bytes, versionId: found, etag: answer.ETag ?? '' }
      } finally {
        // Its connection is free for another request only when it was read to the end.
        if (body instanceof Readable && !body.readableEnded) body.destroy()
      }
    })
  }

  /** What a version is kept by; undefined: there is none. Some servers tell it of the current version alone, unless asked in so many words. */
  async head(key: string, versionId: string): Promise<(Kept & { readonly writeId: string | undefined }) | undefined> {
    const at = { ...this.#at(key), VersionId: versionId }
    const found = await this.#ifThere('HeadObject', key, async () => {
      const answer = await this.client.send(new HeadObjectCommand(at))
      return { ...keptBy(answer), writeId: answer.Metadata?.['writ-write'] }
    })
    if (found === undefined || found.mode !== undefined) return found
    const [retention, hold] = await Promise.all([
      this.#ifThere('GetObjectRetention', key, () => this.client.send(new GetObjectRetentionCommand(at))),
      this.#ifThere('GetObjectLegalHold', key, () => this.client.send(new GetObjectLegalHoldCommand(at))),
    ])
    return {
      mode: retention?.Retention?.Mode,
      until: retention?.Retention?.RetainUntilDate,
      held: hold?.LegalHold?.Status === 'ON',
      storedAt: found.storedAt,
      writeId: found.writeId,
    }
  }

  /** Sets a later end of retention. False where S3 refuses, as it does an earlier one. */
  async prolong(key: string, versionId: string, until: Date): Promise<boolean> {
    const Retention = { Mode: 'COMPLIANCE', RetainUntilDate: until } as const
    const command = new PutObjectRetentionCommand({ ...this.#at(key), VersionId: versionId, Retention })
    return await this.#unlessRefused('PutObjectRetention', key, () => this.client.send(command))
  }

  async hold(key: string, versionId: string, on: boolean): Promise<void> {
    const LegalHold = { Status: on ? 'ON' : 'OFF' } as const
    const command = new PutObjectLegalHoldCommand({ ...this.#at(key), VersionId: versionId, LegalHold })
    await this.#ask('PutObjectLegalHold', key, () => this.client.send(command))
  }

  /** Deletes one version or delete marker. False where S3 refuses. */
  async delete(key: string, versionId: string): Promise<boolean> {
    const command = new DeleteObjectCommand({ ...this.#at(key), VersionId: versionId })
    return await this.#unlessRefused('DeleteObject', key, () => this.client.send(command))
  }

  #tooLarge(key: string, length: number): Fault {
    const message = `${this.#object(key)} has ${length} bytes, and nothing of a log has more than ${BYTES_MAX}.`
    return new Fault('unavailable', { message })
  }

  /** A store without versions would lose the first object to the second. */
  #versioned(key: string, versionId: string | undefined): string {
    if (versionId !== undefined && versionId !== 'null') return versionId
    const message = `${this.#object(key)} has no version: the bucket does not keep versions, so nothing in it is write-once.`
    throw new Fault('unavailable', { message })
  }

  /** AWS refuses with 403, MinIO and others with 400. */
  async #unlessRefused(operation: string, key: string, body: () => Promise<unknown>): Promise<boolean> {
    try {
      await body()
      return true
    } catch (error) {
      const { status } = s3Problem(error)
      if (status === 403 || status === 400) return false
      throw this.#fault(operation, key, error)
    }
  }

  async #ifThere<T>(operation: string, key: string, body: () => Promise<T>): Promise<T | undefined> {
    try {
      return await body()
    } catch (error) {
      if (ABSENT.has(s3Problem(error).name)) return undefined
      throw this.#fault(operation, key, error)
    }
  }

  async #ask<T>(operation: string, key: string, body: () => Promise<T>): Promise<T> {
    try {
      return await body()
    } catch (error) {
      throw this.#fault(operation, key, error)
    }
  }

  #fault(operation: string, key: string, error: unknown): Fault {
    return error instanceof Fault ? error : s3Fault(operation, this.#object(key), error)
  }

  #object(key: string): string {
    return s3Url({ bucket: this.place.bucket, prefix: this.full(key) })
  }

  #at(key: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.place.bucket, Key: this.full(key) }
  }
}

function keptBy(answer: {
  readonly ObjectLockMode?: string | undefined
  readonly ObjectLockRetainUntilDate?: Date | undefined
  readonly ObjectLockLegalHoldStatus?: string | undefined
  readonly LastModified?: Date | undefined
}): Kept {
  return {
    mode: answer.ObjectLockMode,
    until: answer.ObjectLockRetainUntilDate,
    held: answer.ObjectLockLegalHoldStatus === 'ON',
    storedAt: answer.LastModified,
  }
}
