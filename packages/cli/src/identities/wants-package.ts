import { join } from 'node:path'
import { Fault, type PublicJwk } from '@writ/contracts'
import { thumbprint } from '@writ/keys'
import { withAdvice } from '../advice.ts'
import { exists, keyFiles, publicKeyIn } from './key-files.ts'
import type { EnrolledKind } from './kinds.ts'

export interface PackageWish {
  readonly kind: EnrolledKind
  readonly id: string
  readonly outDir: string
  /** Of the record that will be filed; undefined: whatever the package's key is. */
  readonly keys: readonly PublicJwk[] | undefined
  /** The folder was named, not taken by default. */
  readonly named: boolean
  /** A record is in force. */
  readonly made: boolean
}

/**
 * Whether a folder is to hold an enrolment package beside the record: always for a new identity; for one that is in force where the folder
 * has its package already. Throws Fault `unknown_key` when the folder's key is none of the record's, or a named folder would get a package
 * without the key, which lies elsewhere.
 */
export async function wantsPackage({ kind, id, outDir, keys, named, made }: PackageWish): Promise<boolean> {
  const files = keyFiles(outDir)
  const current = await publicKeyIn(files.current)
  const own = current ?? (await publicKeyIn(files.next))
  if (own !== undefined && keys !== undefined && !keys.some((key) => thumbprint(key) === thumbprint(own))) {
    const file = current === undefined ? files.next : files.current
    throw withAdvice(
      new Fault('unknown_key', {
        message: `The key in ${file} is not one of the keys of ${kind} ${id}: nothing was filed.`,
      }),
      `Name the package that holds its key with --out DIR; \`writ ${kind} rotate-key ${id}\` makes a new key.`,
    )
  }
  const there = own !== undefined || (await exists(join(outDir, 'enrolment.json')))
  if (!made || there) return true
  if (!named) return false
  throw withAdvice(
    new Fault('unknown_key', { message: `${outDir} holds no key.jwk of ${kind} ${id}: nothing was filed.` }),
    `Leave --out away: the record keeps its keys, and its package needs no change. \`writ ${kind} rotate-key ${id}\` makes a new key.`,
  )
}
