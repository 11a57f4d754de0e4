import { readFile, stat } from 'node:fs/promises'
import { isAbsolute, join, resolve } from 'node:path'
import { Enrolment, Fault } from '@writ/contracts'
import { openSigner, type Signer } from '@writ/keys'

/** Who this gateway is, and whom it trusts: all that it has not from the bus. */
export interface Identity {
  readonly enrolment: Enrolment
  /** The text of the `.creds` file. */
  readonly credentials: string
  readonly signer: Signer
}

/**
 * Reads an enrolment package (its folder or its `enrolment.json`) and the gateway's key, `key.jwk` beside it unless told otherwise. Throws Fault `unavailable` when a file is missing or open to others, and
 * `malformed` when the package is none or somebody else's.
 */
export async function readIdentity(enrolmentPath: string, keyPath?: string): Promise<Identity> {
  const enrolmentFile = enrolmentPath.endsWith('.json') ? enrolmentPath : join(enrolmentPath, 'enrolment.json')
  const keyFile = keyPath ?? resolve(enrolmentFile, '..', 'key.jwk')
  const enrolment = parseEnrolment(await readOr(enrolmentFile), enrolmentFile)
  const { credentials_file } = enrolment
  const credentials = isAbsolute(credentials_file) ? credentials_file : resolve(enrolmentFile, '..', credentials_file)
  await refuseOpenFile(credentials)
  return { enrolment, credentials: await readOr(credentials), signer: await openSigner(`file:${keyFile}`) }
}

function parseEnrolment(text: string, file: string): Enrolment {
  try {
    const enrolment = Enrolment.parse(JSON.parse(text))
    if (enrolment.kind !== 'gateway') throw new Error(`it is for ${enrolment.kind}`)
    return enrolment
  } catch (cause) {
    throw new Fault('malformed', { message: `${file} is not the enrolment package of a gateway.`, cause })
  }
}

async function readOr(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw new Fault('unavailable', { message: `The file ${file} cannot be read.`, cause })
  }
}

async function refuseOpenFile(file: string): Promise<void> {
  const { mode } = await stat(file).catch((cause: unknown) => {
    throw new Fault('unavailable', { message: `The file ${file} cannot be read.`, cause })
  })
  if ((mode & 0o077) !== 0) {
    throw new Fault('unavailable', { message: `The file ${file} is open to others; make it mode 0600.` })
  }
}
