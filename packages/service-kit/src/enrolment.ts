import { type Enrolment, Fault, SERVICE_ROLES, type ServiceRole } from '@writ/contracts'
import { type KmsOptions, openSigner, readCredentials, readEnrolment, type Signer, thumbprint } from '@writ/keys'

/** Who this process is, from files that were given to it out of band. */
export interface Identity {
  readonly enrolment: Enrolment
  /** The text of the credentials file. Secret. */
  readonly credentials: string
}

/** Throws Fault `malformed` or `unavailable` when a file is missing or open to others, or is for another role. */
export async function readIdentity(role: ServiceRole, enrolmentFile: string): Promise<Identity> {
  const enrolment = await readEnrolment(enrolmentFile)
  if (enrolment.kind !== role || !SERVICE_ROLES.includes(role)) {
    throw new Fault('malformed', { message: `${enrolmentFile} is for ${enrolment.kind}, not for ${role}.` })
  }
  return { enrolment, credentials: await readCredentials(enrolment) }
}

/**
 * The role's anchor. Throws Fault `malformed` when it is not the pinned one, for instance since its alias in KMS means another key now; otherwise as
 * `openSigner`.
 */
export async function openAnchor({ kind, trust }: Enrolment, reference: string, kms: KmsOptions): Promise<Signer> {
  const pinned = new Map(Object.entries(trust.anchors)).get(kind)
  const anchor = await openSigner(reference, kms)
  if (pinned === undefined || thumbprint(pinned) !== anchor.kid) {
    throw new Fault('malformed', { message: `The anchor key is not the one that is pinned for ${kind}.` })
  }
  return anchor
}
