import { readFile } from 'node:fs/promises'
import { Fault, JurisdictionDirectory } from '@writ/contracts'
import { parseIJson } from './i-json.ts'

/** Reads an operator's directory of jurisdictions. Throws Fault `unavailable` where the file cannot be read, `malformed` where it is no such directory. */
export async function readJurisdictionDirectory(path: string): Promise<JurisdictionDirectory> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new Fault('unavailable', { message: `The directory of jurisdictions ${path} cannot be read.`, cause })
  })
  const parsed = JurisdictionDirectory.safeParse(parseIJson(bytes))
  if (parsed.success) return parsed.data
  const wrong = parsed.error.issues.map(({ path: at, message }) => `${at.join('.')}: ${message}`)
  throw new Fault('malformed', {
    message: `${path} is no directory of jurisdictions: ${wrong.join('; ').slice(0, 500)}.`,
  })
}
