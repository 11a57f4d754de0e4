import { jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { subjects } from '@writ/contracts'
import type { Plane } from './plane.ts'

/**
 * What gateways last reported about these devices: the exact messages, of which nothing is verified. No operator's own login may read
 * them, so this needs STORE's provisioning credential. Devices of which none is stored are left out.
 */
export async function readReports(
  { region }: Plane,
  store: NatsConnection,
  devices: readonly { readonly gatewayId: string; readonly deviceId: string }[],
): Promise<Uint8Array[]> {
  const { direct } = await jetstreamManager(store)
  const at = subjects(region)
  const found: Uint8Array[] = []
  for (const { gatewayId, deviceId } of devices) {
    const stored = await direct.getMessage('REPORTS', { last_by_subj: at.report(gatewayId, deviceId) })
    if (stored !== null) found.push(stored.data)
  }
  return found
}
