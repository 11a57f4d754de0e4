import { type attestationMessage, Fault, type Floor, type Obligations } from '@writ/contracts'
import { checkTimes } from '@writ/keys'
import type { Verified } from './verify.ts'

export interface AttestationDemand {
  readonly profile: string
  readonly max_age_s: number
}

export function attestationDemands(obligations: Obligations, floors: readonly Floor[]): readonly AttestationDemand[] {
  return [obligations.attestation, ...floors.map(({ attestation }) => attestation)].filter(
    (demand) => demand !== undefined,
  )
}

/**
 * Every demand is met by a result about the agent whose key signed the intent, good and fresh at `atSeconds` (the token's `iat`).
 * None is from later than that. Throws Fault `not_yet_valid`, `attestation_required`, `attestation_failed`, `attestation_stale`.
 */
export function checkAttestations(
  results: readonly Verified<typeof attestationMessage>[],
  demands: readonly AttestationDemand[],
  agent: { readonly id: string; readonly kid: string },
  atSeconds: number,
): void {
  for (const { claims } of results) checkTimes({ iat: claims.iat }, atSeconds)
  const about = results.filter(({ claims }) => claims.sub === `agent/${agent.id}`)
  for (const { profile, max_age_s } of demands) {
    if (about.length === 0) throw new Fault('attestation_required', { message: 'The agent’s host must be attested.' })
    const good = about.filter(
      ({ claims }) =>
        claims.cnf.jkt === agent.kid &&
        claims.profile === profile &&
        Object.keys(claims.submods).length > 0 &&
        Object.values(claims.submods).every((submod) => submod['ear.status'] === 'affirming'),
    )
    if (good.length === 0)
      throw new Fault('attestation_failed', { message: 'The attestation is not good for this key and profile.' })
    if (!good.some(({ claims }) => atSeconds < claims.exp && atSeconds - claims.iat <= max_age_s)) {
      throw new Fault('attestation_stale', { message: 'The attestation is too old.' })
    }
  }
}
