import { readFile } from 'node:fs/promises'
import { Fault } from '@writ/contracts'
import type { WormStore } from '@writ/worm-store'
import { formatVkey, type NoteVerifier } from '../core/note-key.ts'

/** What lies beside the log so that a person can verify a copy with tools of others. */
const FILES = ['README-verify.txt', 'verifier/main.go', 'verifier/go.mod', 'verifier/go.sum'] as const

export interface VerifierFilesOptions {
  readonly store: Pick<WormStore, 'put'>
  /** Of the log's own key, under the log's origin. */
  readonly verifier: NoteVerifier
  /** A policy file (C2SP tlog-policy) in its own words; absent: one that names the log's key and no witness. */
  readonly policy: string | undefined
  readonly retainUntil: Date
}

/**
 * Puts them under `<origin>.meta/`. What is there already stays, also where an older version put something else: nothing rests on these files, and whoever
 * verifies has key and policy from elsewhere. Throws Fault `unavailable`.
 */
export async function writeVerifierFiles({
  store,
  verifier,
  policy,
  retainUntil,
}: VerifierFilesOptions): Promise<void> {
  const put = (name: string, bytes: Uint8Array) => store.put(`${verifier.name}.meta/${name}`, bytes, retainUntil)
  for (const name of FILES) await put(name, await bytesOf(name))
  await put('policy.txt', Buffer.from(policy ?? policyOf(verifier)))
}

const policyOf = (verifier: NoteVerifier): string =>
  `# The log and who cosigns it (https://c2sp.org/tlog-policy).\nlog ${formatVkey(verifier)}\nquorum none\n`

async function bytesOf(name: (typeof FILES)[number]): Promise<Uint8Array> {
  const file = name.replace(/^verifier\//, '')
  return await readFile(new URL(`../../verifier/${file}`, import.meta.url)).catch((cause: unknown) => {
    throw new Fault('unavailable', { message: `The file ${file} of this installation cannot be read.`, cause })
  })
}
