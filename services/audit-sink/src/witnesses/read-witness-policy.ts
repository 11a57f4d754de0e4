import { readFile } from 'node:fs/promises'
import { type PolicyWitness, parseTlogPolicy, type TlogPolicy } from '@writ/audit'
import { Fault } from '@writ/contracts'

/** A policy file, as it is and as it was read. */
export interface WitnessPolicy {
  readonly text: string
  readonly policy: TlogPolicy
  /** Those that can be asked. */
  readonly witnesses: readonly (PolicyWitness & { readonly url: string })[]
}

/** A signed note holds at most 64 lines. */
const WITNESSES_MAX = 32

/** Throws Fault `unavailable` where the file cannot be read, `malformed` where it is no tlog-policy or a witness has an address that is none. */
export async function readWitnessPolicy(path: string): Promise<WitnessPolicy> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new Fault('unavailable', { message: `The witness policy ${path} cannot be read.`, cause })
  })
  const policy = parseTlogPolicy(text)
  const witnesses = policy.witnesses.flatMap((witness) => {
    const { url } = witness
    if (url === undefined) return []
    if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
      throw new Fault('malformed', {
        message: `The address of the witness ${witness.name} in ${path} is no http(s) URL.`,
      })
    return [{ ...witness, url }]
  })
  if (witnesses.length > WITNESSES_MAX)
    throw new Fault('malformed', {
      message: `The witness policy ${path} names more than ${WITNESSES_MAX} witnesses to ask.`,
    })
  return { text, policy, witnesses }
}
