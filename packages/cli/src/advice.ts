import { isFault, type ReasonCode } from '@writ/contracts'

/** What a person does next about a refusal, where the refusal itself does not say. */
const ADVICE: Partial<Readonly<Record<ReasonCode, string>>> = {
  unavailable: 'Is the plane running? `writ status` says which part does not answer, `writ doctor` what is wrong here.',
  unknown_key: 'The key of this enrolment is not in force: `writ doctor` compares it with the record.',
  unknown_agent: '`writ agent list` shows who is registered; `writ agent create` enrols one.',
  not_an_approver: '`writ approver list` shows who is registered.',
  unknown_device: '`writ device list` shows what is registered.',
  wrong_version: '`writ KIND show ID` shows the version in force; `--version` takes the next one.',
  wrong_role: 'Choose the identity that may do it: `--as DIR`, or `writ context use NAME`.',
  wrong_user: '`writ agent show ID` lists the users that the agent may act for.',
  scope_exceeded: '`writ agent show ID` and `writ device show ID` show the ceilings.',
  not_yet_valid: 'A clock is wrong: `writ doctor` measures the offset.',
  expired: 'A clock may be wrong: `writ doctor` measures the offset.',
  revoked: '`writ revocation list` shows what stands and why; `writ lift SEQ` ends it.',
  quarantined: '`writ revocation list` shows what stands and why; `writ lift SEQ` ends it.',
  rate_limited: 'Wait for earlier intents to end, or raise the limit with `writ agent create … --version N`.',
  internal: 'This is a bug or a broken machine: `writ doctor` looks for the latter.',
}

/** Faults that say themselves what to do. */
const advised = new WeakMap<Error, string>()

/** The same error, with what to do about it in place of the general advice for its code. */
export function withAdvice<E extends Error>(error: E, next: string): E {
  advised.set(error, next)
  return error
}

export function adviceFor(error: unknown): string | undefined {
  const own = error instanceof Error ? advised.get(error) : undefined
  return own ?? ADVICE[isFault(error) ? error.code : 'internal']
}
