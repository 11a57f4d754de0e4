import type { Token } from '@writ/contracts'
import type { Touched } from './control-state.ts'
import type { VerifiedChain, VerifiedIntent } from './verify-chain.ts'

/** What an intent touches before there is a token: agent, user, devices, their groups and gateways, its digest, its key. */
export function touchedByIntent({ intent, devices }: VerifiedIntent): Touched {
  return {
    agent: intent.claims.iss,
    users: [intent.claims.on_behalf_of],
    devices: devices.map(({ id }) => id),
    groups: devices.map(({ record }) => record.group),
    gateways: devices.map(({ record }) => record.gateway_id),
    intent: intent.jws.digest,
    keys: [intent.jws.kid],
  }
}

/** What a chain touches at one gateway: also the approvers' users and keys and, once there is one, the token. */
export function touchedByChain(chain: VerifiedChain, gatewayId: string, gatewayKid: string, token?: Token): Touched {
  const here = { ...chain, devices: chain.devices.filter(({ record }) => record.gateway_id === gatewayId) }
  const touched = touchedByIntent(here)
  return {
    ...touched,
    gateways: [gatewayId],
    users: [...(touched.users ?? []), ...chain.approvals.map(({ approver }) => approver.record.user)],
    keys: [...(touched.keys ?? []), gatewayKid, ...chain.approvals.map(({ approval }) => approval.jws.kid)],
    ...(token !== undefined && { token: token.jti }),
  }
}
