import type { History } from './history.ts'
import { activePolicy } from './rules/active-policy.ts'
import { backToSize } from './rules/back-to-size.ts'
import { endsAsItWas } from './rules/ends-as-it-was.ts'
import { logVerifies } from './rules/log-verifies.ts'
import { loggedOnce } from './rules/logged-once.ts'
import { nothingLeft } from './rules/nothing-left.ts'
import { oneFinalState } from './rules/one-final-state.ts'
import type { Finding, Rule, RuleName } from './rules/rule.ts'
import { stepOnce } from './rules/step-once.ts'
import { twoRecordsFirst } from './rules/two-records-first.ts'

const CHECKS: Readonly<Record<RuleName, Rule>> = {
  'one-final-state': oneFinalState,
  'ends-as-it-was': endsAsItWas,
  'step-once': stepOnce,
  'active-policy': activePolicy,
  'two-records-first': twoRecordsFirst,
  'logged-once': loggedOnce,
  'log-verifies': logVerifies,
  'nothing-left': nothingLeft,
  'back-to-size': backToSize,
}

/** Judges a history by every rule. */
export function check(history: History): readonly Finding[] {
  return Object.values(CHECKS).flatMap((rule) => rule(history))
}
