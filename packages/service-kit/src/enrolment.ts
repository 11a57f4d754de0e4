import { readFile } from 'node:fs/promises'
import { isAbsolute, resolve } from 'node:path'
import { Enrolment, Fault, SERVICE_ROLES, type ServiceRole } from '@writ/contracts'
import { openSigner, type Signer, thumbprint } from '@writ/keys'

/** Who this process is, from files that were given to it out of band. */
export interface Identity {
  readonly enrolment: Enrolment
  /** The text of the credentials file. Secret. */
  readonly credentials: string
  readonly anchor: Signer
}

/** Throws Fault `malformed` or `unavailable` when a file is missing, is for another role, or the anchor is not the pinned one. */
export async function readIdentity(role: ServiceRole, enrolmentFile: string, anchorKey: string): Promise<Identity> {
  const parsed = Enrolment.safeParse(await readJson(enrolmentFile))
  if (!parsed.success) {
    throw new Fault('malformed', { message: `${enrolmentFile} is no enrolment package.`, cause: parsed.error })
  }
  const enrolment = parsed.data
  if (enrolment.kind !== role || !SERVICE_ROLES.includes(role)) {
    throw new Fault('malformed', { message: `${enrolmentFile} is for ${enrolment.kind}, not for ${role}.` })
  }
  const pinned = enrolment.trust.anchors[role]
  const anchor = await openSigner(anchorKey)
  if (pinned === undefined || thumbprint(pinned) !== anchor.kid) {
    throw new Fault('malformed', { message: `The anchor key is not the one that is pinned for ${role}.` })
  }
  const { credentials_file } = enrolment
  const path = isAbsolute(credentials_file) ? credentials_file : resolve(enrolmentFile, '..', credentials_file)
  return { enrolment, credentials: await readText(path), anchor }
}

async function readJson(path: string): Promise<unknown> {
  const text = await readText(path)
  try {
    return JSON.parse(text) as unknown
  } catch (cause) {
    throw new Fault('malformed', { message: `${path} is not JSON.`, cause })
  }
}

function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((cause: unknown) => {
    throw new Fault('unavailable', { message: `${path} cannot be read.`, cause })
  })
}
