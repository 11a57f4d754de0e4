import type { ReasonCode } from '@writ/contracts'

/** The rows of CONTRACT section 6, in their order, by short names. */
export const CHECKS = [
  'size',
  'form',
  'type',
  'claims',
  'subject',
  'registered',
  'kid',
  'signature',
  'audience and times',
  'limits',
  'used before',
  'standing revoke',
  'commands',
  'user, devices, ceilings',
  'policy',
  'approvals',
  'attestation',
  'gateway: whose, and bound to what',
  'gateway: the chain',
  'gateway: steps and scope',
  'token',
] as const
export type Check = (typeof CHECKS)[number]

export interface Elsewhere {
  readonly why: string
  /** The test that brings it about, and what it says there: the code's own name unless told otherwise. */
  readonly where: string
  readonly by?: string
}

const AT_GATEWAY = 'Only a gateway judges plans and tokens; nobody else hears it.'
const FORGED_PLANS = 'test/support/hostile-gateway-plans.ts'
const FORGED_ANSWERS = 'test/support/hostile-gateway-answers.ts'

/** Rows that no message of an agent, approver or operator reaches. */
export const CHECKS_ELSEWHERE: Partial<Record<Check, Elsewhere>> = {
  'gateway: whose, and bound to what': { why: AT_GATEWAY, where: FORGED_PLANS, by: 'constraint_failed' },
  'gateway: the chain': { why: AT_GATEWAY, where: FORGED_PLANS, by: 'chain_broken' },
  'gateway: steps and scope': { why: AT_GATEWAY, where: FORGED_PLANS, by: 'scope_exceeded' },
}

/** Codes that no message of an agent, approver or operator brings about in the stack as it is. */
export const CODES_ELSEWHERE: Partial<Record<ReasonCode, Elsewhere>> = {
  token_unknown: { why: 'The answer to a gateway’s redeem.', where: FORGED_ANSWERS },
  token_spent: { why: 'The answer to a gateway’s redeem.', where: FORGED_ANSWERS },
  token_expired: {
    why: 'The answer to a gateway’s redeem of a token past its time.',
    where: FORGED_ANSWERS,
  },
  wrong_gateway: { why: AT_GATEWAY, where: FORGED_PLANS },
  too_late: { why: 'What a gateway says that did not begin in time.', where: FORGED_ANSWERS },
  interrupted: { why: 'What a restarted gateway says.', where: 'test/hostile-gateway.test.ts' },
  action_failed: { why: 'What a gateway says of an action.', where: 'test/outsider.test.ts' },
  timed_out: {
    why: 'What a gateway says of an action that ran too long.',
    where: 'test/hostile-gateway.test.ts',
  },
  stopped: { why: 'What a gateway says of steps after a failed one.', where: 'test/hostile-gateway.test.ts' },
}
