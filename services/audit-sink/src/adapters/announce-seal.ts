import type { SealOutcome } from '@writ/audit'
import type { Bus } from '@writ/bus'
import { sealedMessage, subjects } from '@writ/contracts'
import { type Signer, signMessage } from '@writ/keys'

/**
 * Tells sources what the log holds. Live and at most once: a source that does not hear it sends its messages again, and hears of its head with the next
 * announcement. Throws Fault `unavailable` when the key's endorsement has expired or there is no connection.
 */
export function announceSeal(
  bus: Pick<Bus, 'publish'>,
  region: string,
  signer: Signer,
): (outcome: SealOutcome) => Promise<void> {
  const { sealed } = subjects(region)
  return async ({ checkpoint, heads }) => {
    const message = await signMessage(signer, sealedMessage, {
      iss: 'audit-sink',
      aud: `writ:${region}`,
      iat: Math.floor(Date.now() / 1000),
      checkpoint,
      heads: Object.fromEntries(heads),
    })
    bus.publish(sealed, message)
  }
}
