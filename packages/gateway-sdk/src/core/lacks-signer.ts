import { type Authority, parseFiledValue } from '@writ/authority'
import {
  attestationMessage,
  decisionMessage,
  isFault,
  type Message,
  planMessage,
  TOKEN_SECONDS_MAX,
  tokenMessage,
} from '@writ/contracts'
import { openMessage } from '@writ/keys'

/**
 * Whether `unknown_key` may yet turn out otherwise: the plan could still be good, and some service or operator that signed a part of
 * it is one whose key SIGNERS has not shown yet. Nothing in the plan is verified here.
 */
export function lacksSigner(authority: Authority, body: Uint8Array, nowSeconds: number): boolean {
  try {
    const { claims, jws } = openMessage(planMessage, body)
    if (nowSeconds >= claims.exp || claims.exp > nowSeconds + TOKEN_SECONDS_MAX + 5) return false
    const { token, decision, earlier, attestations, records } = claims
    return (
      [
        jws.kid,
        kidOf(tokenMessage, token),
        ...[decision, ...earlier].map((message) => kidOf(decisionMessage, message)),
        ...attestations.map((message) => kidOf(attestationMessage, message)),
      ].some((kid) => authority.trust.endorsementsOf(kid).length === 0) ||
      records.some((value) => ofUnknownOperator(authority, value))
    )
  } catch (error) {
    if (isFault(error)) return false
    throw error
  }
}

function kidOf(message: Message, compact: string): string {
  return openMessage(message, compact).jws.kid
}

function ofUnknownOperator({ trust }: Authority, value: string): boolean {
  const { command, cosigns } = parseFiledValue(value)
  return [command, ...cosigns].some(({ claims, jws }) => trust.operatorKey(claims.iss, jws.kid) === undefined)
}
