import { ListObjectVersionsCommand, type ListObjectVersionsCommandOutput, type S3Client } from '@aws-sdk/client-s3'
import { s3Fault } from './s3-fault.ts'
import { type S3Place, s3Url } from './s3-place.ts'

export interface ListedVersion {
  readonly versionId: string
  readonly etag: string
}

/** What lies under one key. Versions are the newest first; which of them a delete marker hides is nothing that a reader asks for. */
export interface ListedKey {
  readonly name: string
  readonly versions: readonly ListedVersion[]
  /** Version ids of delete markers. */
  readonly markers: readonly string[]
}

/** A key, or everything below a `/`: then the name ends in one. */
export type Listed = ListedKey | { readonly name: string; readonly versions?: undefined }

interface ListOptions {
  /** Of the whole key in the bucket. */
  readonly prefix: string
  readonly delimiter?: '/'
  /** Entries of the first page; the others are as long as S3 makes them. */
  readonly firstPage?: number
}

/** All keys under a prefix in byte order. A key comes when its last version has: its versions may lie on several pages. */
export async function* listVersions(client: S3Client, place: S3Place, options: ListOptions): AsyncIterable<Listed> {
  let open: Gathered | undefined
  for await (const page of pages(client, place, options)) {
    for (const found of inOrder(page)) {
      if (found.versions !== undefined && open?.name === found.name) {
        open.versions.push(...found.versions)
        open.markers.push(...found.markers)
        continue
      }
      if (open !== undefined) yield open
      open = undefined
      if (found.versions === undefined) yield found
      else open = found
    }
  }
  if (open !== undefined) yield open
}

/** What lies under exactly this key. One request where that is one version. */
export async function versionsOf(client: S3Client, place: S3Place, key: string): Promise<ListedKey> {
  for await (const found of listVersions(client, place, { prefix: key, delimiter: '/', firstPage: 2 }))
    if (found.versions === undefined || found.name !== key) break
    else return found
  return { name: key, versions: [], markers: [] }
}

async function* pages(
  client: S3Client,
  place: S3Place,
  { prefix, delimiter, firstPage }: ListOptions,
): AsyncIterable<ListObjectVersionsCommandOutput> {
  const at = { Bucket: place.bucket, Prefix: prefix, Delimiter: delimiter }
  let next: ListObjectVersionsCommandOutput | undefined
  do {
    const from: Pick<ListObjectVersionsCommandOutput, 'KeyMarker' | 'VersionIdMarker'> = {
      KeyMarker: next?.NextKeyMarker,
      VersionIdMarker: next?.NextVersionIdMarker,
    }
    const MaxKeys = next === undefined ? firstPage : undefined
    try {
      next = await client.send(new ListObjectVersionsCommand({ ...at, ...from, MaxKeys }))
    } catch (error) {
      throw s3Fault('ListObjectVersions', s3Url({ bucket: place.bucket, prefix }), error)
    }
    yield next
  } while (next.IsTruncated === true)
}

interface Gathered {
  readonly name: string
  readonly versions: ListedVersion[]
  readonly markers: string[]
}

/** A page's keys and prefixes in byte order. */
function inOrder(
  page: ListObjectVersionsCommandOutput,
): (Gathered | { readonly name: string; readonly versions?: undefined })[] {
  const keys = new Map<string, Gathered>()
  const of = (name = ''): Gathered => {
    const found = keys.get(name) ?? { name, versions: [], markers: [] }
    keys.set(name, found)
    return found
  }
  for (const { Key, VersionId = '', ETag = '' } of page.Versions ?? [])
    of(Key).versions.push({ versionId: VersionId, etag: ETag })
  for (const { Key, VersionId = '' } of page.DeleteMarkers ?? []) of(Key).markers.push(VersionId)
  const folders = (page.CommonPrefixes ?? []).flatMap(({ Prefix }) => (Prefix === undefined ? [] : [{ name: Prefix }]))
  return [...keys.values(), ...folders].sort((a, b) => (a.name < b.name ? -1 : 1))
}
