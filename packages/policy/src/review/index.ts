// For people who write and publish policies: what a bundle decides, what another one decided, which rule says so.
export { type GoldenDecision, goldenOf } from '../bundle/golden.ts'
export { decisionTable, differences, type GoldenRow, tryDecide } from './compare.ts'
export { type DocumentOf, type Rebuilt, rebuildInput } from './rebuild-input.ts'
export { type BundleReview, reviewBundle } from './review-bundle.ts'
export { type RuleSource, type RuleTrace, ruleOfReason, rulesOf, rulesThatAllow } from './rules.ts'
