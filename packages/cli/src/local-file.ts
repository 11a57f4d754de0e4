import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Trust } from '@writ/contracts'
import { Fault } from '@writ/contracts'
import { withAdvice } from './advice.ts'

/** `.writ/local.json`: what `npm start` tells other programs about the local plane. */
export interface LocalFile {
  readonly nats_url: string
  readonly redis_url: string
  readonly region: string
  readonly trust: Pick<Trust, 'operators' | 'anchors'>
  readonly store_dir: string
  readonly log_origin: string
  readonly log_vkey: string
  readonly operator: { readonly id: string; readonly key_file: string; readonly credentials_file: string }
  readonly provisioning: { readonly dir: string }
  readonly services: Readonly<Record<string, { readonly health_url: string }>>
}

/** Throws Fault `unavailable` with what to do when there is no local plane. */
export async function readLocalFile(home: string): Promise<LocalFile> {
  const file = join(resolve(home), 'local.json')
  try {
    return JSON.parse(await readFile(file, 'utf8')) as LocalFile
  } catch (cause) {
    const fault = new Fault('unavailable', { message: `${file} cannot be read.`, cause })
    throw withAdvice(
      fault,
      '`npm start` makes a local plane; --home names its folder, --context another plane (`writ context list`).',
    )
  }
}
