import { type Enrolment, Fault, SERVICE_ROLES, type ServiceRole } from '@writ/contracts'
import { openSigner, readCredentials, readEnrolment, type Signer, thumbprint } from '@writ/keys'

/** Who this process is, from files that were given to it out of band. */
export interface Identity {
  readonly enrolment: Enrolment
  /** The text of the credentials file. Secret. */
  readonly credentials: string
  readonly anchor: Signer
}

/**
 * Throws Fault `malformed` or `unavailable` when a file is missing or open to others, is for another role, or the anchor is not the pinned
 * one.
 */
export async function readIdentity(role: ServiceRole, enrolmentFile: string, anchorKey: string): Promise<Identity> {
  const enrolment = await readEnrolment(enrolmentFile)
  if (enrolment.kind !== role || !SERVICE_ROLES.includes(role)) {
    throw new Fault('malformed', { message: `${enrolmentFile} is for ${enrolment.kind}, not for ${role}.` })
  }
  const pinned = enrolment.trust.anchors[role]
  const anchor = await openSigner(anchorKey)
  if (pinned === undefined || thumbprint(pinned) !== anchor.kid) {
    throw new Fault('malformed', { message: `The anchor key is not the one that is pinned for ${role}.` })
  }
  return { enrolment, credentials: await readCredentials(enrolment), anchor }
}
