import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { Fault, Trust } from '@writ/contracts'
import { withAdvice } from './advice.ts'

/** `.writ/local.json`: what `npm start` tells other programs about the local plane. */
export interface LocalFile {
  readonly nats_url: string
  readonly redis_url: string
  readonly region: string
  readonly trust: Pick<Trust, 'operators' | 'anchors'>
  /** Where the log lies, as `WRIT_STORE` names it: `file:<dir>` or `s3://<bucket>/<prefix>`. */
  readonly store: string
  readonly log_origin: string
  readonly log_vkey: string
  /** All log keys that are pinned, with the one that signs times. Absent: that one. */
  readonly log_vkeys?: readonly string[]
  readonly operator: { readonly id: string; readonly key_file: string; readonly credentials_file: string }
  readonly provisioning: { readonly dir: string }
  readonly services: Readonly<Record<string, { readonly health_url: string }>>
}

export const logVkeysOf = ({
  log_vkey,
  log_vkeys = [log_vkey],
}: Pick<LocalFile, 'log_vkey' | 'log_vkeys'>): readonly string[] => log_vkeys

/** Throws Fault `unavailable` with what to do when there is no local plane. */
export async function readLocalFile(home: string): Promise<LocalFile> {
  const file = join(resolve(home), 'local.json')
  try {
    return localFileIn(JSON.parse(await readFile(file, 'utf8')))
  } catch (cause) {
    const fault = new Fault('unavailable', { message: `${file} cannot be read.`, cause })
    throw withAdvice(
      fault,
      '`npm start` makes a local plane; --home names its folder, --context another plane (`writ context list`).',
    )
  }
}

const LocalTrust = Trust.pick({ operators: true, anchors: true })

/** Throws for anything but what `npm start` writes: nobody else's mistake is to be found out half way through a command. */
function localFileIn(value: unknown): LocalFile {
  const local = Object(value) as Partial<Record<keyof LocalFile | 'store_dir', unknown>>
  // Earlier versions named the folder.
  const store = local.store ?? (typeof local.store_dir === 'string' ? `file:${local.store_dir}` : undefined)
  const texts = [local.nats_url, local.redis_url, local.region, store, local.log_origin, local.log_vkey]
  const { id, key_file, credentials_file } = Object(local.operator) as Partial<LocalFile['operator']>
  const { dir } = Object(local.provisioning) as Partial<LocalFile['provisioning']>
  const urls = Object.values(Object(local.services) as object).map(
    (service: unknown) => (Object(service) as { readonly health_url?: unknown }).health_url,
  )
  const vkeys = local.log_vkeys === undefined ? [] : [local.log_vkeys].flat()
  const all = [...texts, ...vkeys, id, key_file, credentials_file, dir, ...urls]
  if (typeof local.services !== 'object' || !all.every((text) => typeof text === 'string'))
    throw new TypeError('not what `npm start` writes')
  return { ...local, store, trust: LocalTrust.parse(local.trust) } as LocalFile
}
