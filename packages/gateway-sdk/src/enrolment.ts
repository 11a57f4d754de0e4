import { join } from 'node:path'
import { type Enrolment, Fault } from '@writ/contracts'
import { openSigner, readCredentials, readEnrolment, type Signer } from '@writ/keys'

/** Who this gateway is, and whom it trusts: all that it has not from the bus. */
export interface Identity {
  readonly enrolment: Enrolment
  /** The text of the `.creds` file. */
  readonly credentials: string
  readonly signer: Signer
}

/**
 * Reads an enrolment package (its folder or its `enrolment.json`) and the gateway's key, `key.jwk` beside it unless told otherwise. Throws Fault
 * `unavailable` when a file is missing or open to others, and `malformed` when the package is none or somebody else's.
 */
export async function readIdentity(enrolmentPath: string, keyPath?: string): Promise<Identity> {
  const enrolment = await readEnrolment(enrolmentPath)
  const { folder, kind, id } = enrolment
  if (kind !== 'gateway')
    throw new Fault('malformed', { message: `${folder} is the enrolment package of ${kind} ${id}, not of a gateway.` })
  const signer = await openSigner(`file:${keyPath ?? join(folder, 'key.jwk')}`)
  return { enrolment, credentials: await readCredentials(enrolment), signer }
}
