/** Reason codes of CONTRACT section 7: closed, append-only. What the outside may branch on. */
export const REASON_CODES = [
  'malformed',
  'too_large',
  'unsupported_type',
  'bad_signature',
  'unknown_key',
  'wrong_role',
  'unknown_agent',
  'wrong_subject',
  'wrong_audience',
  'wrong_user',
  'not_yet_valid',
  'expired',
  'lifetime_too_long',
  'replayed',
  'unknown_device',
  'device_without_gateway',
  'wrong_jurisdiction',
  'policy_denied',
  'params_out_of_bounds',
  'scope_exceeded',
  'attestation_required',
  'attestation_failed',
  'attestation_stale',
  'approval_required',
  'approval_rejected',
  'approval_expired',
  'self_approval',
  'not_an_approver',
  'token_unknown',
  'token_spent',
  'token_expired',
  'revoked',
  'quarantined',
  'cancelled',
  'wrong_gateway',
  'wrong_version',
  'constraint_failed',
  'chain_broken',
  'too_late',
  'interrupted',
  'action_failed',
  'timed_out',
  'stopped',
  'rate_limited',
  'unavailable',
  'internal',
] as const

export type ReasonCode = (typeof REASON_CODES)[number]

/** A code to branch on and one sentence for the person who reads it; never a parameter value (CONTRACT section 1, Text). */
export interface Reason {
  readonly code: ReasonCode
  readonly message: string
}
