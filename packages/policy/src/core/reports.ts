import type { RoutedDevice, Verified } from '@writ/authority'
import { CLOCK_AHEAD_SECONDS_MAX, REPORT_AGE_SECONDS_MAX, type reportMessage } from '@writ/contracts'

type Report = Verified<typeof reportMessage>

/**
 * The report about a device that a decision at `nowSeconds` counts with: signed by its own gateway, observed at most 150 s
 * before and at most 5 s ahead; the one observed last, and of two observed together the one issued last. Undefined: unknown.
 */
export function countingReport(
  reports: readonly Report[],
  device: RoutedDevice,
  nowSeconds: number,
): Report | undefined {
  return reports
    .filter(
      ({ claims }) =>
        claims.device_id === device.id &&
        claims.iss === device.record.gateway_id &&
        nowSeconds - claims.observed_at <= REPORT_AGE_SECONDS_MAX &&
        claims.observed_at <= nowSeconds + CLOCK_AHEAD_SECONDS_MAX,
    )
    .reduce<Report | undefined>(
      (best, report) => (best === undefined || later(report, best) ? report : best),
      undefined,
    )
}

function later(a: Report, b: Report): boolean {
  if (a.claims.observed_at !== b.claims.observed_at) return a.claims.observed_at > b.claims.observed_at
  if (a.claims.iat !== b.claims.iat) return a.claims.iat > b.claims.iat
  return a.jws.digest > b.jws.digest
}

/** The reports that a decision at `nowSeconds` about these devices counts with, in the devices' order: those it names. */
export function countingReports(
  reports: readonly Report[],
  devices: readonly RoutedDevice[],
  nowSeconds: number,
): readonly Report[] {
  return devices.flatMap((device) => countingReport(reports, device, nowSeconds) ?? [])
}
