import { belongsElsewhere, type DeviceRecord, Fault, type Intent } from '@writ/contracts'
import { sha256 } from '@writ/keys'
import type { FiledRecord } from './filed-record.ts'

export interface RoutedDevice extends FiledRecord<'device'> {
  readonly record: DeviceRecord & { readonly gateway_id: string }
}

/**
 * The rows of CONTRACT section 6 that compare an intent with records: user, devices, jurisdiction, ceilings. `targets` are the
 * intent's, or at a gateway those on it; `regionOf` says where a device belongs that is not registered here, where that is known. Returns their devices in that order. Throws Fault `wrong_user`, `unknown_device`, `device_without_gateway`, `wrong_jurisdiction`, `scope_exceeded`.
 */
export function checkCeilings(
  intent: Intent,
  agent: FiledRecord<'agent'>,
  targets: readonly string[],
  deviceOf: (deviceId: string) => FiledRecord<'device'> | undefined,
  region: string,
  regionOf: (deviceId: string) => string | undefined = () => undefined,
): readonly RoutedDevice[] {
  if (!agent.record.users.includes(intent.on_behalf_of)) {
    throw new Fault('wrong_user', { message: 'The agent may not act for this user.' })
  }
  const devices = targets.map((id) => routed(id, deviceOf(id), region, regionOf(id)))
  const within =
    agent.record.actions.includes(intent.action) &&
    devices.every(({ record }) => agent.record.groups.includes(record.group) && record.actions.includes(intent.action))
  if (!within) {
    throw new Fault('scope_exceeded', {
      message: 'The action or a target is beyond what is registered for the agent or the device.',
    })
  }
  return devices
}

function routed(
  id: string,
  device: FiledRecord<'device'> | undefined,
  region: string,
  listed: string | undefined,
): RoutedDevice {
  if (device === undefined && listed !== undefined && listed !== region) throw belongsElsewhere(listed)
  if (device === undefined) throw new Fault('unknown_device', { message: `No device ${id} is registered.` })
  if (device.record.gateway_id === undefined) {
    throw new Fault('device_without_gateway', { message: `No gateway reaches the device ${id}.` })
  }
  if (device.record.jurisdiction !== region) throw belongsElsewhere(device.record.jurisdiction)
  return device as RoutedDevice
}

/** `p` and the first 21 characters of the base64url SHA-256 of `<intent_digest>/<gateway_id>`. */
export function planIdOf(intentDigest: string, gatewayId: string): string {
  return `p${sha256(`${intentDigest}/${gatewayId}`).slice(0, 21)}`
}

export interface PlannedStep {
  readonly step_id: string
  readonly device_id: string
}

/** Exactly one step for each target of the gateway, in the intent's order; `step_id` is `s<index in targets>`. */
export function stepsFor(
  intent: Pick<Intent, 'targets'>,
  gatewayId: string,
  devices: readonly RoutedDevice[],
): readonly PlannedStep[] {
  const here = new Set(devices.filter(({ record }) => record.gateway_id === gatewayId).map(({ id }) => id))
  return intent.targets.flatMap((device_id, index) =>
    here.has(device_id) ? [{ step_id: `s${index}`, device_id }] : [],
  )
}

/** The gateways that an intent's plans go to, in the order in which the targets name them first. */
export function gatewaysOf(devices: readonly RoutedDevice[]): readonly string[] {
  return [...new Set(devices.map(({ record }) => record.gateway_id))]
}

export function scopeOf(action: string, steps: readonly PlannedStep[]): string[] {
  return steps.map(({ device_id }) => `device:${action}:${device_id}`)
}
