import { Fault } from '@writ/contracts'
import { requireKey } from '../store.ts'

/** Where a store lies in S3. */
export interface S3Place {
  readonly bucket: string
  /** Segments with `/` between and none at the end; empty: the whole bucket. */
  readonly prefix: string
}

/** Bucket names that work with every addressing style of S3 (3–63 characters). ARNs and access points are not taken: nothing of them is built by hand. */
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/

/** Reads `s3://<bucket>/<prefix>`; the prefix may be missing. Throws Fault `malformed` for anything else. */
export function parseS3Url(url: string): S3Place {
  const [, bucket = '', prefix = ''] = /^s3:\/\/([^/]*)\/?(.*?)\/?$/.exec(url) ?? []
  if (!BUCKET.test(bucket) || (prefix !== '' && !isKey(prefix)))
    throw new Fault('malformed', { message: 'A store in S3 is named s3://<bucket>/<prefix>.' })
  return { bucket, prefix }
}

/** The one text for a place. */
export function s3Url({ bucket, prefix }: S3Place): string {
  return `s3://${bucket}${prefix === '' ? '' : `/${prefix}`}`
}

function isKey(text: string): boolean {
  try {
    requireKey(text)
    return true
  } catch {
    return false
  }
}
