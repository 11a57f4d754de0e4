import { attestationMessage, attestMessage, challengeMessage } from './attest.ts'
import { auditMessage, sealedMessage } from './audit.ts'
import { controlMessage } from './control.ts'
import { approvalMessage, approvalRequestMessage, decisionMessage } from './decision.ts'
import type { Message } from './define.ts'
import { answerMessage, cancelMessage, intentMessage, queryMessage, resultMessage, statusMessage } from './intent.ts'
import {
  actMessage,
  appliedMessage,
  outcomeMessage,
  planMessage,
  redeemedMessage,
  redeemMessage,
  reportMessage,
  tokenMessage,
} from './plan.ts'
import { commandMessage, cosignMessage, keyMessage } from './records.ts'

export * from './attest.ts'
export * from './audit.ts'
export * from './common.ts'
export * from './control.ts'
export * from './decision.ts'
export * from './define.ts'
export * from './enrolment.ts'
export * from './intent.ts'
export * from './plan.ts'
export * from './reasons.ts'
export * from './records.ts'

/** Every message of CONTRACT section 4. */
export const MESSAGES: readonly Message[] = [
  intentMessage,
  cancelMessage,
  statusMessage,
  approvalRequestMessage,
  approvalMessage,
  decisionMessage,
  tokenMessage,
  planMessage,
  redeemMessage,
  redeemedMessage,
  actMessage,
  outcomeMessage,
  reportMessage,
  attestMessage,
  challengeMessage,
  attestationMessage,
  commandMessage,
  cosignMessage,
  resultMessage,
  controlMessage,
  appliedMessage,
  keyMessage,
  queryMessage,
  answerMessage,
  sealedMessage,
  auditMessage,
]
