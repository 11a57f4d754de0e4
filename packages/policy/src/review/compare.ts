import type { JsonObject } from '@writ/contracts'
import { canonicalJson } from '@writ/keys'
import type { GoldenDecision } from '../bundle/golden.ts'
import type { PolicyDecision } from '../core/decision.ts'
import type { PolicyInput } from '../core/input.ts'
import type { Evaluator } from '../evaluator.ts'

type Decider = Pick<Evaluator, 'evaluate'>

/**
 * In what two decisions differ: `outcome`, `reasons`, `obligations.<name>`. Empty: in nothing. Undefined stands for an
 * evaluation that fails.
 */
export function differences(a: PolicyDecision | undefined, b: PolicyDecision | undefined): readonly string[] {
  if (a === undefined || b === undefined) return a === b ? [] : ['outcome']
  // Expectations come from files and bundles, and may lack anything.
  const [of, to] = [Object(a.obligations), Object(b.obligations)] as [JsonObject, JsonObject]
  const names = [...new Set([...Object.keys(of), ...Object.keys(to)])].toSorted()
  return [
    ...(a.outcome === b.outcome ? [] : ['outcome']),
    ...(same(a.reasons, b.reasons) ? [] : ['reasons']),
    ...names.filter((name) => !same(of[name], to[name])).map((name) => `obligations.${name}`),
  ]
}

function same(a: unknown, b: unknown): boolean {
  if (a === undefined || b === undefined) return a === b
  return canonicalJson(a as never) === canonicalJson(b as never)
}

/** Undefined where policy could not decide. */
export function tryDecide(evaluator: Decider, input: PolicyInput): PolicyDecision | undefined {
  try {
    return evaluator.evaluate(input)
  } catch {
    return undefined
  }
}

export interface GoldenRow {
  readonly name: string
  readonly action: string
  /** Absent where there is no bundle before. */
  readonly before?: PolicyDecision
  /** Undefined: the evaluation fails. */
  readonly after: PolicyDecision | undefined
  /** In what before and after differ; without a bundle before, nothing does. */
  readonly changed: readonly string[]
  /** In what the decision differs from the one that is expected. */
  readonly failed: readonly string[]
}

/** What a bundle decides on golden inputs, and what another one decided on them before. In the order of the names. */
export function decisionTable(
  golden: ReadonlyMap<string, GoldenDecision>,
  after: Decider,
  before?: Decider,
): readonly GoldenRow[] {
  const names = [...golden.keys()].toSorted()
  return names.map((name) => {
    const { input, expect } = golden.get(name) as GoldenDecision
    const now = tryDecide(after, input)
    const then = before === undefined ? undefined : tryDecide(before, input)
    return {
      name,
      action: String(input.intent?.action),
      ...(then !== undefined && { before: then }),
      after: now,
      changed: before === undefined ? [] : differences(then, now),
      failed: differences(expect, now),
    }
  })
}
