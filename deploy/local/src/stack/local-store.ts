import { readdir, readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { directoryReader, type LogReader, storeReader } from '@writ/audit'
import { Fault } from '@writ/contracts'
import { errnoOf, writeFileDurably } from '@writ/durable'
import { openStore, parseS3Url, s3Url, storeDirectory } from '@writ/worm-store'
import type { LocalPaths } from './paths.ts'

/** Where the log of the plane lies. */
export interface LocalStore {
  /** `WRIT_STORE` of the services. */
  readonly url: string
  /** Its folder, unless it is in a bucket. */
  readonly dir?: string
  openReader(): Promise<LogReader>
  /** What else audit-sink is told about it. */
  readonly settings: Readonly<Record<string, string>>
}

/** Settings of audit-sink that whoever starts the plane may give. */
const PASSED_ON = ['WRIT_RETENTION_REGIME', 'WRIT_RETENTION_DAYS', 'WRIT_STORE_UNPROVEN']

/**
 * The store that `WRIT_STORE` names, else the plane's own folder. A log stays where it was begun: another place would begin a second history under the same
 * name. Throws Fault `malformed` where the plane has begun one elsewhere.
 */
export async function openLocalStore(
  paths: LocalPaths,
  env: Readonly<Record<string, string | undefined>>,
): Promise<LocalStore> {
  const begun = await whereItBegan(paths)
  const named = env['WRIT_STORE']
  const url = named === undefined || named === '' ? (begun ?? ownStore(paths)) : normal(named)
  if (begun !== undefined && url !== begun)
    throw new Fault('malformed', {
      message: `The log of this plane lies in ${begun} and does not move: set WRIT_STORE to that or not at all, or begin another plane with WRIT_HOME. (If nothing was ever written there, remove ${paths.storeUrl}.)`,
    })
  if (url !== ownStore(paths)) await writeFileDurably(paths.storeUrl, `${url}\n`)
  const given = PASSED_ON.flatMap((name) => {
    const value = env[name]
    return value === undefined || value === '' ? [] : [[name, value] as const]
  })
  if (url.startsWith('s3:'))
    return { url, openReader: async () => storeReader(await openStore(url)), settings: Object.fromEntries(given) }
  const dir = storeDirectory(url)
  // One disk is not WORM against its owner: said in the log of every local plane.
  return {
    url,
    dir,
    openReader: async () => directoryReader(dir),
    settings: { WRIT_STORE_UNPROVEN: 'local-stack', ...Object.fromEntries(given) },
  }
}

const ownStore = ({ store }: LocalPaths): string => `file:${store}`

/** Undefined where nothing has been written yet. */
async function whereItBegan(paths: LocalPaths): Promise<string | undefined> {
  const elsewhere = await ifThere(readFile(paths.storeUrl, 'utf8'))
  if (elsewhere !== undefined) return elsewhere.trim()
  const own = (await ifThere(readdir(paths.store))) ?? []
  return own.some((name) => !name.startsWith('.')) ? ownStore(paths) : undefined
}

/** One text for one place: services run in other working directories. */
function normal(url: string): string {
  return url.startsWith('s3:') ? s3Url(parseS3Url(url)) : `file:${resolve(storeDirectory(url))}`
}

async function ifThere<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}
