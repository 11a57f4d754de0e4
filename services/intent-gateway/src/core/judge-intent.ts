import { type Authority, checkCeilings, type FiledRecord, type RoutedDevice } from '@writ/authority'
import { Fault, type Intent } from '@writ/contracts'
import { planWouldFit } from './plan.ts'
import { gatewaysOf, stepsOf } from './routes.ts'
import { stateWouldFit } from './state-size.ts'

/**
 * The rows of CONTRACT section 6 after `jti`, of an intent whose signature was verified: standing revokes, then user, devices and
 * ceilings, then whether its plans and its status would fit. Returns its devices. Throws the Fault of the first row that fails.
 */
export function judgeIntent(
  { trust, control, region }: Authority,
  agent: FiledRecord<'agent'>,
  intent: Intent,
  signed: { readonly compact: string; readonly digest: string; readonly kid: string },
  regionOf?: (deviceId: string) => string | undefined,
): readonly RoutedDevice[] {
  const known = intent.targets.flatMap((id) => trust.record('device', id) ?? [])
  const refusal = control.refusalOf({
    agent: intent.iss,
    users: [intent.on_behalf_of],
    devices: intent.targets,
    groups: [...new Set(known.map(({ record }) => record.group))],
    gateways: [...new Set(known.flatMap(({ record }) => record.gateway_id ?? []))],
    intent: signed.digest,
    keys: [signed.kid],
  })
  if (refusal !== undefined) throw new Fault(refusal.code, refusal)
  const devices = checkCeilings(intent, agent, intent.targets, (id) => trust.record('device', id), region, regionOf)
  for (const gatewayId of gatewaysOf(devices.map(({ record }) => record))) {
    const here = devices.filter(({ record }) => record.gateway_id === gatewayId)
    const values = [agent.value, ...here.map(({ value }) => value), trust.valueOf('policy', 'active') ?? '']
    if (!planWouldFit(signed.compact, here.length, values))
      throw new Fault('too_large', { message: 'The plan of this intent would be too large; name fewer targets.' })
  }
  if (!stateWouldFit(stepsOf(intent, devices)))
    throw new Fault('too_large', { message: 'The status of this intent would be too large; name fewer targets.' })
  return devices
}
