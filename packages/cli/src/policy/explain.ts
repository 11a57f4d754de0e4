import type { Reason } from '@writ/contracts'
import type { Evaluator, PolicyBundle, PolicyDecision, PolicyInput } from '@writ/policy'
import { type RuleSource, type RuleTrace, ruleOfReason, rulesThatAllow, tryDecide } from '@writ/policy/review'

/** A rule and what it looked at, with the values that it found there. */
export interface Explained {
  readonly path: string
  readonly line: number
  readonly text: string
  /** Rules that it names, of the same workflow and of the library. */
  readonly uses: readonly { readonly path: string; readonly line: number; readonly text: string }[]
  /** Paths under `input`. */
  readonly looks_at: readonly string[]
  /** Tables of the bundle by their path, with their values. */
  readonly tables: Readonly<Record<string, unknown>>
}

export interface ExplainedReason extends Reason {
  /** Targets for which it is given when each is asked about alone; empty: it is about all of them together. */
  readonly targets: readonly string[]
  /** Absent where no rule of the bundle is annotated with it. */
  readonly rule?: Explained
}

type Asking = Pick<Evaluator, 'evaluate'>

/** Which rule gives each reason of a decision, to which targets. */
export function explainReasons(
  bundle: PolicyBundle,
  evaluator: Asking,
  input: PolicyInput,
  { reasons }: PolicyDecision,
): readonly ExplainedReason[] {
  const alone = input.targets.map((target) => ({
    id: target.id,
    reasons: tryDecide(evaluator, { ...input, targets: [target] })?.reasons ?? [],
  }))
  return reasons.map(({ code, message }) => {
    const rule = ruleOfReason(bundle, { code, message })
    const about = alone.filter(({ reasons: own }) => own.some((one) => one.code === code && one.message === message))
    return {
      code,
      message,
      targets: about.map(({ id }) => id),
      ...(rule !== undefined && { rule: explained(bundle, rule) }),
    }
  })
}

/** The workflow's own rules: by what it allows the action, and on which terms. Undefined: the bundle has no workflow for it. */
export function explainWorkflow(bundle: PolicyBundle, action: string): Explained | undefined {
  const rule = rulesThatAllow(bundle, action)
  return rule === undefined ? undefined : explained(bundle, rule)
}

function explained({ data }: PolicyBundle, { rule, uses, inputs, tables }: RuleTrace): Explained {
  return {
    ...sourceOf(rule),
    uses: uses.map(sourceOf),
    looks_at: inputs,
    tables: Object.fromEntries(tables.map((path) => [path, valueAt(data, path)])),
  }
}

function sourceOf({ path, line, text }: RuleSource) {
  return { path, line, text }
}

/** The value at `data.a.b`, as far down as it goes. */
export function valueAt(root: unknown, path: string): unknown {
  return path
    .split('.')
    .slice(1)
    .reduce<unknown>((value, name) => (value as Readonly<Record<string, unknown>> | undefined)?.[name], root)
}
