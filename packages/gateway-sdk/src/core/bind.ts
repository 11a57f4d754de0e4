import { BlockList, isIP } from 'node:net'
import type { JsonObject, JsonValue, Obligations } from '@writ/contracts'
import { canonicalJson } from '@writ/keys'
import type { Observation } from '../observation.ts'

export type Bind = NonNullable<Obligations['bind']>

/** Why a token's `bind` does not hold for what is observed of the device, in words for the agent; undefined: it holds. */
export function bindRefusal(bind: Bind, { state, address }: Observation): string | undefined {
  if (bind.network !== undefined && !bind.network.some((network) => within(network, address))) {
    return 'The device is not reached in the network that the token is bound to.'
  }
  if (bind.device_state !== undefined && !holds(bind.device_state, state)) {
    return 'The device is not in the state that the token is bound to.'
  }
  return undefined
}

/** Whether `cidr` (a network or a single address, IPv4 or IPv6) holds the address. What cannot be read holds nothing. */
export function within(cidr: string, address: string): boolean {
  const [network = '', prefix, ...more] = cidr.split('/')
  const version = isIP(network)
  if (version === 0 || isIP(address) === 0 || more.length > 0) return false
  const bits = version === 4 ? 32 : 128
  const length = prefix === undefined ? bits : /^\d{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN
  if (!(length <= bits)) return false
  const list = new BlockList()
  list.addSubnet(network, length, version === 4 ? 'ipv4' : 'ipv6')
  return list.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6')
}

/** Every bound member is there and equal (RFC 8785 form). */
function holds(bound: JsonObject, state: JsonObject): boolean {
  return Object.entries(bound).every(
    ([name, value]) => Object.hasOwn(state, name) && same(value, state[name] as JsonValue),
  )
}

function same(a: JsonValue, b: JsonValue): boolean {
  return canonicalJson(a) === canonicalJson(b)
}
