export { type CheckResult, type CheckState, directoryResults, passes, problemOf, statementOf } from './check-result.ts'
export { type KeyDescription, keyFact } from './key-facts.ts'
export { jurisdictionFacts, type StoreTestOptions, testStore } from './test-store.ts'
