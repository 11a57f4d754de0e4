import { type Authority, type RoutedDevice, type Verified, verifyParty } from '@writ/authority'
import { isFault, reportMessage } from '@writ/contracts'
import { checkAudience, openMessage } from '@writ/keys'

/** A device's report if its own gateway signed it; undefined: bad, so the device's state is unknown. Its age is not looked at. */
export function verifyReport(
  authority: Authority,
  body: Uint8Array,
  device: RoutedDevice,
): Verified<typeof reportMessage> | undefined {
  try {
    const report = verifyParty(authority, 'gateway', openMessage(reportMessage, body))
    checkAudience(report.claims, authority.audience)
    const { iss, device_id } = report.claims
    return iss === device.record.gateway_id && device_id === device.id ? report : undefined
  } catch (error) {
    if (isFault(error)) return undefined
    throw error
  }
}
