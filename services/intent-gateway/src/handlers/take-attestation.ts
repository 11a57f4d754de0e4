import { type Verified, verifyService } from '@writ/authority'
import type { Bus } from '@writ/bus'
import { attestationMessage as attestation, type attestationMessage, isFault, subjects } from '@writ/contracts'
import { openMessage } from '@writ/keys'
import type { IntentRecords } from '../adapters/intent-records.ts'
import { attested } from '../core/transitions.ts'
import type { AuthorityView, Clock } from '../ports.ts'

export interface TakeAttestationDeps {
  readonly records: IntentRecords
  readonly clock: Clock
  readonly kick: (key: string) => void
}

/** A result about an agent's host was stored: what waits for one is decided again. Whether it is good enough is policy's to say. */
export function takeAttestation(deps: TakeAttestationDeps): (agentId?: string) => Promise<void> {
  return async (agentId) => {
    for (const { key, record } of [...deps.records.index.entries()]) {
      if (record.state !== 'needs_attestation' || (agentId !== undefined && record.agent_id !== agentId)) continue
      await deps.records.modify(key, (latest) => attested(latest, deps.clock.nowSeconds()))
      deps.kick(key)
    }
  }
}

/** The last result about an agent's host, as its verifier signed it; undefined: there is none that anybody would believe. */
export function attestationOf(
  view: AuthorityView,
  bus: Pick<Bus, 'last'>,
): (agentId: string) => Promise<string | undefined> {
  const at = subjects(view.authority.region)
  return async (agentId) => {
    const stored = await bus.last('ATTESTATIONS', at.attestation('agent', agentId))
    if (stored === undefined) return undefined
    try {
      const { claims, jws } = await view.waitForKey<Verified<typeof attestationMessage>>(() =>
        verifyService(view.authority, 'attestation-verifier', openMessage(attestation, stored.data)),
      )
      return claims.sub === `agent/${agentId}` ? jws.compact : undefined
    } catch (error) {
      if (isFault(error) && error.code !== 'unavailable') return undefined
      throw error
    }
  }
}
