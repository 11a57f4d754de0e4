import { type Authority, type VerifiedPlan, verifyService } from '@writ/authority'
import { Fault, isFault, planMessage, tokenMessage } from '@writ/contracts'
import { openMessage } from '@writ/keys'

/** What a gateway must know of a plan to speak about its steps, also after a restart, when the plan itself is not at hand. */
export interface PlanFacts {
  readonly plan_id: string
  readonly plan_digest: string
  readonly intent_digest: string
  /** Absent where the intent itself was not verified. */
  readonly intent_id?: string
  readonly agent_id: string
  readonly token_id: string
  readonly action: string
  readonly exp: number
  readonly max_uses: number
  readonly steps: readonly StepFacts[]
}

export interface StepFacts {
  readonly step_id: string
  readonly device_id: string
}

export function factsOf({ plan, token, chain }: VerifiedPlan): PlanFacts {
  return {
    plan_id: plan.claims.plan_id,
    plan_digest: plan.jws.digest,
    intent_digest: chain.intent.jws.digest,
    intent_id: chain.intent.claims.jti,
    agent_id: chain.intent.claims.iss,
    token_id: token.claims.jti,
    action: chain.intent.claims.action,
    exp: plan.claims.exp,
    max_uses: token.claims.max_uses,
    steps: plan.claims.steps.map(({ step_id, device_id }) => ({ step_id, device_id })),
  }
}

/**
 * What may be said about a plan that is refused: undefined unless it is this gateway's and the signatures of plan and token verify, for
 * nobody is told what a stranger asked for.
 */
export function factsOfRefused(authority: Authority, body: Uint8Array, gatewayId: string): PlanFacts | undefined {
  try {
    const plan = verifyService(authority, 'intent-gateway', openMessage(planMessage, body))
    const token = verifyService(authority, 'token-issuer', openMessage(tokenMessage, plan.claims.token))
    if (plan.claims.gateway_id !== gatewayId || plan.claims.plan_id !== token.claims.plan_id) return undefined
    return {
      plan_id: plan.claims.plan_id,
      plan_digest: plan.jws.digest,
      intent_digest: token.claims.intent_digest,
      agent_id: token.claims.sub,
      token_id: token.claims.jti,
      action: actionOfScope(token.claims.scope[0]),
      exp: plan.claims.exp,
      max_uses: token.claims.max_uses,
      steps: plan.claims.steps.map(({ step_id, device_id }) => ({ step_id, device_id })),
    }
  } catch (error) {
    if (isFault(error)) return undefined
    throw error
  }
}

/** `device:<action>:<device_id>` */
function actionOfScope(scope: string | undefined): string {
  const action = scope?.split(':')[1]
  if (action === undefined) throw new Fault('malformed', { message: 'A scope names no action.' })
  return action
}
