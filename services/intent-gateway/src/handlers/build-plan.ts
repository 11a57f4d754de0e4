import { planIdOf, verifyService } from '@writ/authority'
import {
  type Decision,
  decisionMessage,
  Fault,
  intentMessage,
  isFault,
  PLAN_BYTES_MAX,
  type Plan,
  planMessage,
  tokenMessage,
} from '@writ/contracts'
import { digestOf, openMessage } from '@writ/keys'
import type { DecisionFile, DecisionFiles, NumberedFile } from '../adapters/decision-files.ts'
import type { DispatchedPlan } from '../adapters/evidence.ts'
import { planClaims } from '../core/plan.ts'
import type { AuthorityView, Clock, Sign } from '../ports.ts'
import type { Allowed } from './dispatch.ts'

export interface BuildPlanDeps {
  readonly view: AuthorityView
  readonly files: DecisionFiles
  readonly sign: Sign
  readonly clock: Clock
}

/** A plan as it is signed, with what is recorded about it before it goes out. */
export interface Outgoing extends DispatchedPlan {
  readonly compact: string
  readonly plan: Plan
  readonly maxUses: number
}

/** Puts the exact messages together around a token. Throws Fault `too_large`, and `unavailable` while a part is not to be had. */
export async function buildPlan(
  deps: BuildPlanDeps,
  { key, record, intent, steps, count }: Allowed,
  stored: NumberedFile,
  compact: string,
): Promise<Outgoing> {
  const { view, clock } = deps
  const verify = () => verifyService(view.authority, 'token-issuer', openMessage(tokenMessage, compact))
  const { claims: token, jws } = await view.waitForKey(verify).catch((cause: unknown) => {
    if (!isFault(cause)) throw cause
    throw new Fault('unavailable', { message: 'The token is not one that token-issuer’s key holds up.', cause })
  })
  // A token that was minted before names the decision of then.
  const file =
    token.decision_digest === stored.digest
      ? stored
      : await deps.files.find(key, token.decision_digest, Math.max(count, stored.n))
  if (file === undefined) throw new Fault('unavailable', { message: 'The decision of the token is not there.' })
  const decision = claimsOf(file)
  const earlier = await earlierOf(deps, key, file, Math.max(count, stored.n))
  const records = token.records.map((digest) => {
    const found = view.authority.trust.recordByDigest(digest)
    if (found === undefined) throw new Fault('unavailable', { message: 'A record of the token is not known here yet.' })
    return found
  })
  const { claims } = openMessage(intentMessage, intent)
  const plan = planClaims(
    view.authority.audience,
    clock.nowSeconds(),
    { ...file, earlier: earlier.map(({ decision: body }) => body), intent, claims, digest: record.digest },
    { compact, claims: token },
    {
      id: planIdOf(record.digest, token.aud),
      gatewayId: token.aud,
      steps: steps.filter(({ gateway_id }) => gateway_id === token.aud),
    },
    records,
  )
  const signed = await deps.sign(planMessage, plan)
  if (Buffer.byteLength(signed) > PLAN_BYTES_MAX)
    throw new Fault('too_large', { message: 'The plan would be too large.' })
  return {
    compact: signed,
    plan,
    planDigest: digestOf(signed),
    token,
    tokenDigest: jws.digest,
    file,
    decision,
    earlier: earlier.map((other) => ({ file: other, decision: claimsOf(other) })),
    records,
    approvers: [...new Set(record.approvals.map(({ user }) => user))],
    maxUses: decision.obligations.max_uses,
  }
}

/** The decisions that `first` and `shown` of a decision name. */
export async function earlierOf(
  { files }: Pick<BuildPlanDeps, 'files'>,
  key: string,
  file: DecisionFile,
  from: number,
): Promise<NumberedFile[]> {
  const { first, shown } = claimsOf(file)
  const digests = [...new Set([first, shown])].filter((digest) => digest !== undefined)
  return Promise.all(
    digests.map(async (digest) => {
      const found = await files.find(key, digest, from)
      if (found === undefined) throw new Fault('unavailable', { message: 'An earlier decision is not there.' })
      return found
    }),
  )
}

function claimsOf({ decision }: DecisionFile): Decision {
  return openMessage(decisionMessage, decision).claims
}
