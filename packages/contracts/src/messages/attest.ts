import { z } from 'zod'
import { PLAN_BYTES_MAX, SERVICE_BYTES_MAX } from '../limits.ts'
import { AnyObject, expiring, Sha256 } from './common.ts'
import { defineMessage } from './define.ts'

export const attestMessage = defineMessage({
  typ: 'writ-attest+jwt',
  signers: ['agent', 'gateway'],
  bytesMax: PLAN_BYTES_MAX,
  lifetimeSecondsMax: 60,
  schema: z.strictObject({
    ...expiring,
    format: z.string().min(1).max(64),
    challenge: z.string().min(1).max(256).exactOptional(),
    evidence: z.union([z.string().min(1), AnyObject]).exactOptional(),
  }),
})
export type Attest = z.output<typeof attestMessage.schema>

export const challengeMessage = defineMessage({
  typ: 'writ-challenge+jwt',
  signers: ['attestation-verifier'],
  bytesMax: SERVICE_BYTES_MAX,
  schema: z.object({ ...expiring, request: Sha256, challenge: z.string().min(1).max(256) }),
})
export type Challenge = z.output<typeof challengeMessage.schema>

/** An EAR (EAT Attestation Result) with AR4SI trust vectors; good when every `ear.status` is `affirming`. */
export const attestationMessage = defineMessage({
  typ: 'writ-attestation+jwt',
  signers: ['attestation-verifier'],
  bytesMax: SERVICE_BYTES_MAX,
  schema: z.object({
    ...expiring,
    request: Sha256,
    sub: z.string().regex(/^(agent|gateway)\/[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/),
    cnf: z.strictObject({ jkt: Sha256 }),
    profile: z.string().min(1).max(128),
    evidence_sha256: Sha256,
    policy_sha256: Sha256,
    submods: z.record(z.string().min(1).max(64), z.looseObject({ 'ear.status': z.string() })),
  }),
})
export type Attestation = z.output<typeof attestationMessage.schema>
