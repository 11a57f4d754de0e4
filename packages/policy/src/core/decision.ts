import {
  DECISION_OUTCOMES,
  type DecisionOutcome,
  type JsonObject,
  Obligations,
  type Reason,
  StrictReason,
} from '@writ/contracts'

/** What policy decided: the part of a decision message that is policy's. */
export interface PolicyDecision {
  readonly outcome: DecisionOutcome
  readonly reasons: readonly Reason[]
  /** In full: defaults are filled in. */
  readonly obligations: Obligations
}

/** CONTRACT section 4, Decision: what holds where policy says nothing. */
export const OBLIGATION_DEFAULTS: Obligations = Object.freeze({
  ttl_s: 300,
  max_uses: 1,
  max_run_s: 900,
  stop_on_failure: false,
})

const REASONS_MAX = 64

/**
 * Reads what the entry point gave, strictly. Undefined, empty or malformed is a denial, as is a reason that is not word for word
 * one of the bundle's (`reasons`): so no text of a request can reach a decision.
 *
 * @param results what opa-wasm returns: `[]` for undefined, else `[{ result }]`
 */
export function readDecision(results: unknown, reasons: ReadonlySet<string>): PolicyDecision {
  if (!Array.isArray(results) || results.length > 1) return denied('Policy gave a decision that cannot be read.')
  if (results.length === 0) return denied('Policy gave no decision.')
  const [{ result }] = results as [{ readonly result?: unknown }]
  return decisionOf(result, reasons) ?? denied('Policy gave a decision that cannot be read.')
}

/** How a bundle lists a reason, and how one that was given is looked up. */
export function reasonKey({ code, message }: Reason): string {
  return `${code} ${message}`
}

function decisionOf(result: unknown, known: ReadonlySet<string>): PolicyDecision | undefined {
  if (!isObject(result)) return undefined
  const { outcome, reasons, obligations, ...rest } = result
  if (Object.keys(rest).length > 0 || !isObject(obligations)) return undefined
  if (!DECISION_OUTCOMES.includes(outcome as DecisionOutcome)) return undefined
  const given = StrictReason.array().max(REASONS_MAX).safeParse(reasons)
  const full = Obligations.safeParse({ ...OBLIGATION_DEFAULTS, ...obligations })
  if (!given.success || !full.success) return undefined
  if (!given.data.every((reason) => known.has(reasonKey(reason)))) return undefined
  const decision = { outcome: outcome as DecisionOutcome, reasons: given.data, obligations: full.data }
  return isWhole(decision) ? decision : undefined
}

/** A wait says what is waited for, a denial says why. */
function isWhole({ outcome, reasons, obligations }: PolicyDecision): boolean {
  switch (outcome) {
    case 'allow':
      return true
    case 'deny':
      return reasons.length > 0
    case 'needs_approval':
      return obligations.approvals !== undefined
    case 'needs_attestation':
      return obligations.attestation !== undefined
  }
}

function denied(message: string): PolicyDecision {
  return { outcome: 'deny', reasons: [{ code: 'policy_denied', message }], obligations: OBLIGATION_DEFAULTS }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
