import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { Fault, type ResidencyDemand, ResidencyTable } from '@writ/contracts'

export interface Residency {
  /** SHA-256 of the file, in base64url: the log names it. */
  readonly sha256: string
  /** What a jurisdiction demands; undefined where the table does not know it. */
  demandOf(jurisdiction: string): ResidencyDemand | undefined
}

/** Reads the operator's residency table. Throws Fault `malformed` where the file cannot be read whole: half a demand is none. */
export async function readResidency(path: string): Promise<Residency> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new Fault('malformed', { message: `The residency table ${path} cannot be read.`, cause })
  })
  const parsed = ResidencyTable.safeParse(jsonOf(bytes, path))
  if (!parsed.success) {
    const wrong = parsed.error.issues.map(({ path: at, message }) => `${at.join('.')}: ${message}`)
    throw new Fault('malformed', { message: `The residency table ${path} is not in its form: ${wrong.join('; ')}.` })
  }
  const { jurisdictions } = parsed.data
  return {
    sha256: createHash('sha256').update(bytes).digest('base64url'),
    demandOf: (jurisdiction) => (Object.hasOwn(jurisdictions, jurisdiction) ? jurisdictions[jurisdiction] : undefined),
  }
}

function jsonOf(bytes: Uint8Array, path: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw new Fault('malformed', { message: `The residency table ${path} is no JSON.`, cause })
  }
}
