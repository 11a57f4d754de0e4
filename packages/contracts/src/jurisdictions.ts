import { z } from 'zod'
import type { Reason } from './codes.ts'
import { Fault } from './fault.ts'
import { Id } from './messages/common.ts'

/** A device id, or the beginning of ids with `*` at its end. */
const Pattern = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,62}(?:[A-Za-z0-9_-]|\*)?$/)

/**
 * An operator's file that says which control plane devices belong to, by patterns of their ids: it names no device. The first pattern that fits
 * decides.
 */
export const JurisdictionDirectory = z.strictObject({
  version: z.literal(1),
  devices: z.array(z.strictObject({ pattern: Pattern, region: Id })).max(10_000),
})
export type JurisdictionDirectory = z.output<typeof JurisdictionDirectory>

/** The region whose control plane a device belongs to; undefined where no pattern fits. */
export function regionOfDevice({ devices }: JurisdictionDirectory, deviceId: string): string | undefined {
  return devices.find(({ pattern }) =>
    pattern.endsWith('*') ? deviceId.startsWith(pattern.slice(0, -1)) : deviceId === pattern,
  )?.region
}

/** The refusal of what another control plane decides. It names the region to ask, and nothing of what was asked: that must not be kept here. */
export function belongsElsewhere(region: string): Fault {
  return new Fault('wrong_jurisdiction', { message: `A target belongs to ${region}: ask there.` })
}

/** The region that such a refusal names; undefined where it is another refusal or names none. */
export function regionToAsk({ code, message }: Reason): string | undefined {
  const region = /^A target belongs to ([A-Za-z0-9_-]+): ask there\.$/.exec(message)?.[1]
  return code === 'wrong_jurisdiction' && Id.safeParse(region).success ? region : undefined
}
