import { type Authority, planIdOf, verifyService } from '@writ/authority'
import { type closeRpc, Fault, type Intent, intentMessage, tokenMessage } from '@writ/contracts'
import { openMessage } from '@writ/keys'
import { caughtUp } from '@writ/service-kit'
import type { z } from 'zod'
import { checkMayClose, type OpenPlan, stepsWithoutToken } from '../core/may-close.ts'
import { type CloseReason, formatValue, parseTokenValue, parseUseValue, tokenKey, useKey } from '../core/uses.ts'
import type { Clock, Uses } from '../ports.ts'

export interface CloseDeps {
  readonly authority: Authority
  readonly uses: Uses
  readonly clock: Clock
  /** Reads SIGNERS, REGISTRY and CONTROL to their ends. */
  readonly catchUp: () => Promise<void>
}

type Request = z.output<typeof closeRpc.request>
type Reply = z.input<typeof closeRpc.reply>
type ClosedPlan = Extract<Reply, { ok: true }>['plans'][number]

interface Plan {
  readonly planId: string
  readonly gatewayId: string
  readonly open?: OpenPlan
}

/**
 * Claims the next use of each step, or the token itself where there is none, so that nothing more of the intent is redeemed.
 * Whoever creates a key first wins: what was redeemed before is counted and runs. Asked again it gives the same counts.
 */
export function close(deps: CloseDeps): (request: Request) => Promise<Reply> {
  return async ({ intent: body, gateways, why, cancel }) => {
    const intent = openMessage(intentMessage, body)
    const ids = [...new Set(gateways)].map((gatewayId) => ({
      gatewayId,
      planId: planIdOf(intent.jws.digest, gatewayId),
    }))
    const plans = await Promise.all(ids.map((id) => withToken(deps, id)))
    const open = plans.flatMap((plan) => plan.open ?? [])
    const reason = { why, ...(cancel !== undefined && { cancel }) }
    await caughtUp(deps.catchUp, () => checkMayClose(deps.authority, intent, open, reason, deps.clock.nowSeconds()))
    return { ok: true, plans: await Promise.all(plans.map((plan) => closePlan(deps, intent.claims, plan, why))) }
  }
}

async function withToken({ authority, uses, catchUp }: CloseDeps, plan: Plan): Promise<Plan> {
  const bytes = await uses.get(tokenKey(plan.planId))
  const value = bytes === undefined ? undefined : parseTokenValue(bytes)
  if (value === undefined || 'closed' in value) return plan
  return { ...plan, open: { token: await caughtUp(catchUp, () => tokenClaims(authority, value.token)), minted: value } }
}

function tokenClaims(authority: Authority, token: string) {
  return verifyService(authority, 'token-issuer', openMessage(tokenMessage, token)).claims
}

async function closePlan(deps: CloseDeps, intent: Intent, plan: Plan, why: CloseReason): Promise<ClosedPlan> {
  const { planId, gatewayId, open } = plan
  const named = { plan_id: planId, gateway_id: gatewayId }
  if (open === undefined) {
    if (!(await deps.uses.create(tokenKey(planId), formatValue({ closed: why })))) {
      const now = await withToken(deps, plan)
      // A token came in between; what was asked about is not what is there any more.
      if (now.open !== undefined)
        throw new Fault('unavailable', { message: 'A token has just been minted; ask again.' })
    }
    const steps = stepsWithoutToken(deps.authority, intent, gatewayId)
    return { ...named, steps: steps.map((step_id) => ({ step_id, redeemed: 0 })) }
  }
  const { minted, token } = open
  const steps = minted.steps.map(async (step_id) => ({
    step_id,
    redeemed: await closeStep(deps.uses, planId, step_id, token.max_uses, why),
  }))
  return { ...named, steps: await Promise.all(steps) }
}

/** Claims the first use of a step that nobody has. Returns how many were redeemed before. */
async function closeStep(
  uses: Uses,
  planId: string,
  stepId: string,
  usesMax: number,
  why: CloseReason,
): Promise<number> {
  for (let n = 1; n <= usesMax; n++) {
    const key = useKey(planId, stepId, n)
    if (await uses.create(key, formatValue({ closed: why }))) return n - 1
    const value = await uses.get(key)
    if (value === undefined) throw new Fault('unavailable', { message: 'A use cannot be read now.' })
    if ('closed' in parseUseValue(value)) return n - 1
  }
  return usesMax
}
