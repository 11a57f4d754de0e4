import { recordsInForce, verifyIntent } from '@writ/authority'
import type { Decision, Intent } from '@writ/contracts'
import type { Signer } from '@writ/keys'
import { buildInput, inputSha256, OBLIGATION_DEFAULTS, type PolicyDecision } from '@writ/policy'
import { BUNDLE, decisionOf, intentOf, nowSeconds, REGION, type SmallPlant } from '../../../../test/support/world.ts'

export const ALLOW: PolicyDecision = { outcome: 'allow', reasons: [], obligations: OBLIGATION_DEFAULTS }
export const DENY: PolicyDecision = {
  outcome: 'deny',
  reasons: [{ code: 'policy_denied', message: 'no' }],
  obligations: OBLIGATION_DEFAULTS,
}

/** An evaluator of the plant's bundle that always decides the same. */
export const always = (decision: PolicyDecision) => ({ bundleSha256: BUNDLE, evaluate: () => decision })

export interface Asked {
  readonly gateway_id: string
  readonly intent: string
  readonly decision: string
  readonly earlier: string[]
  readonly approvals: string[]
  readonly attestations: string[]
  readonly reports: string[]
}

/** An intent of `a1` and the decision that an honest evaluator makes about it; `decision` changes what is signed. */
export async function asked(
  plant: SmallPlant,
  changes: { intent?: Partial<Intent>; decision?: Partial<Decision>; signer?: Signer; gateway?: string } = {},
): Promise<Asked> {
  const intent = await intentOf(plant, changes.intent)
  const records = recordsInForce(plant.authority)
  const verified = verifyIntent(plant.authority, intent, records)
  const policy = records.policy()
  if (policy === undefined) throw new Error('the plant has a policy')
  const iat = changes.decision?.iat ?? nowSeconds()
  const input = buildInput({
    ...verified,
    nowSeconds: iat,
    region: REGION,
    policy,
    approvals: [],
    attestations: [],
    reports: [],
  })
  const named = [verified.agent, ...verified.devices, policy].map(({ digest }) => digest)
  const honest = { iat, exp: iat + 60, input_sha256: inputSha256(input), records: named }
  const decision = await decisionOf(plant, intent, { ...honest, ...changes.decision }, changes.signer)
  return {
    gateway_id: changes.gateway ?? 'g1',
    intent,
    decision,
    earlier: [],
    approvals: [],
    attestations: [],
    reports: [],
  }
}

/** The code that a call fails with, `again` where it is to be decided again. */
export async function codeOf(run: () => unknown): Promise<string> {
  try {
    await run()
    return 'accepted'
  } catch (error) {
    const { code, again } = error as { code?: string; again?: boolean }
    return again === true ? 'again' : (code ?? String(error))
  }
}
