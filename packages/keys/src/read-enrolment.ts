import { readFile, stat } from 'node:fs/promises'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import { Enrolment, Fault } from '@writ/contracts'

/** An enrolment package as it lies on a disk. Its pins are to be believed because of how it came here, and nothing else. */
export type EnrolmentPackage = Enrolment & {
  /** Absolute. */
  readonly folder: string
  /** Absolute. */
  readonly credentials_file: string
}

/**
 * The enrolment package of a folder, or of its `enrolment.json` by name. Whose it is, is for the caller to check. Throws Fault `unavailable`
 * when the file cannot be read or others may write it, since whoever writes it chooses what is trusted; `malformed` when it is none.
 */
export async function readEnrolment(path: string): Promise<EnrolmentPackage> {
  const file = path.endsWith('.json') ? resolve(path) : resolve(path, 'enrolment.json')
  const text = await readClosed(
    file,
    0o022,
    `The enrolment package ${file} can be written by others; make it mode 0600.`,
  )
  const parsed = Enrolment.safeParse(jsonOf(text))
  if (!parsed.success)
    throw new Fault('malformed', { message: `${file} is no enrolment package.`, cause: parsed.error })
  const folder = dirname(file)
  const { credentials_file } = parsed.data
  return {
    ...parsed.data,
    folder,
    credentials_file: isAbsolute(credentials_file) ? credentials_file : join(folder, credentials_file),
  }
}

/** The text of a package's `.creds` file. Secret. Throws Fault `unavailable` when it cannot be read or is open to others. */
export function readCredentials({ credentials_file }: Pick<EnrolmentPackage, 'credentials_file'>): Promise<string> {
  return readClosed(
    credentials_file,
    0o077,
    `The credentials ${credentials_file} are open to others; make them mode 0600.`,
  )
}

async function readClosed(file: string, refused: number, message: string): Promise<string> {
  const cannot = (cause: unknown): never => {
    throw new Fault('unavailable', { message: `${file} cannot be read.`, cause })
  }
  const { mode } = await stat(file).catch(cannot)
  if ((mode & refused) !== 0) throw new Fault('unavailable', { message })
  return readFile(file, 'utf8').catch(cannot)
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
