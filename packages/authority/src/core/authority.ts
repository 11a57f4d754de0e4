import type { Trust } from '@writ/contracts'
import { ControlState } from './control-state.ts'
import { TrustStore } from './trust-store.ts'

/** Who may (trust) and what is withdrawn (control), for one region, from one set of pins. */
export interface Authority {
  readonly region: string
  /** `writ:<r>`: the `aud` of every message but a token, and the `iss` of a token. */
  readonly audience: string
  readonly trust: TrustStore
  readonly control: ControlState
}

/** Each asks the other: operators' records say who may sign CONTROL, and CONTROL says which of their keys still count. */
export function createAuthority(region: string, pins: Trust): Authority {
  const audience = `writ:${region}`
  const control: ControlState = new ControlState({
    audience,
    operatorKey: (id, kid) => trust.operatorKey(id, kid),
    isPinned: (id) => trust.isPinned(id),
  })
  const trust = new TrustStore(region, pins, control)
  return { region, audience, trust, control }
}
