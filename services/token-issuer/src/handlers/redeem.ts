import { checkSubject, verifyParty } from '@writ/authority'
import { isFault, type ReasonCode, reasonOf, redeemedMessage, redeemMessage, resultMessage } from '@writ/contracts'
import { openMessage, requestDigest, type Signer, signMessage } from '@writ/keys'
import { withSigners } from '../core/with-signers.ts'
import { type ClaimUseDeps, claimUse, type Granted, type SignedRedeem } from './claim-use.ts'

export interface RedeemDeps extends ClaimUseDeps {
  readonly signer: Signer
  /** Told of every answer: `ok` or the code. */
  readonly answered: (code: string) => void
  /** Told of what no gateway of the subject's id has signed. */
  readonly unsigned: (gatewayId: string, code: ReasonCode) => void
  /** Told of what is no Fault: a bug. */
  readonly failed: (error: unknown) => void
}

export interface AnswerRedeem {
  (gatewayId: string, body: Uint8Array): Promise<string>
  /** A no to a request that was not looked at. */
  refuse(gatewayId: string, body: Uint8Array, error: unknown): Promise<string>
}

/** The gateway has 2 s from sending to beginning; what takes longer than this is of no use to it. */
export const REDEEM_AUDIT_TIMEOUT_MS = 2000

/**
 * Answers `redeem.<gateway_id>`: claims one use, records it (G4), and says yes to exactly the message that claimed it (G12), as
 * often as that one is repeated. Every request is answered; a refusal is a `writ-result+jwt`.
 */
export function redeem(deps: RedeemDeps): AnswerRedeem {
  const inHand = new Map<string, Promise<Granted>>()
  /** The same bytes while the first are in hand: one piece of work, an answer for each. */
  const once = (signed: SignedRedeem): Promise<Granted> => {
    const { digest } = signed.jws
    const running = inHand.get(digest) ?? claimUse(deps, signed).finally(() => inHand.delete(digest))
    inHand.set(digest, running)
    return running
  }
  const answer = async (gatewayId: string, body: Uint8Array): Promise<string> => {
    let signed: SignedRedeem | undefined
    try {
      signed = await openRedeem(deps, gatewayId, body)
      return await yes(deps, signed.jws.digest, await once(signed))
    } catch (error) {
      if (signed === undefined) deps.unsigned(gatewayId, reasonOf(error).code)
      return await no(deps, body, error)
    }
  }
  return Object.assign(answer, { refuse: (_: string, body: Uint8Array, error: unknown) => no(deps, body, error) })
}

/** Throws the Fault of the rows up to the signature. A gateway that has just been registered, or has a new key, is looked for once. */
function openRedeem(deps: RedeemDeps, gatewayId: string, body: Uint8Array): Promise<SignedRedeem> {
  const opened = openMessage(redeemMessage, body)
  checkSubject(opened, gatewayId)
  return withSigners(deps.readSigners, () => verifyParty(deps.authority, 'gateway', opened))
}

async function yes(deps: RedeemDeps, request: string, { use, token }: Granted): Promise<string> {
  const redeemed = await signMessage(deps.signer, redeemedMessage, {
    iss: 'token-issuer',
    aud: deps.authority.audience,
    iat: deps.clock.nowSeconds(),
    request,
    use: use.n,
    of: token.claims.max_uses,
    rev_head: deps.rev(),
  })
  deps.answered('ok')
  return redeemed
}

function no(deps: RedeemDeps, body: Uint8Array, error: unknown): Promise<string> {
  const reason = reasonOf(error)
  deps.answered(reason.code)
  if (!isFault(error)) deps.failed(error)
  return signMessage(deps.signer, resultMessage, {
    iss: 'token-issuer',
    aud: deps.authority.audience,
    iat: deps.clock.nowSeconds(),
    request: requestDigest(body),
    ok: false,
    ...reason,
  })
}
