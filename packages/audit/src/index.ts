// The Merkle log: its pure parts, and what enters it.
export * from './core/index.ts'
// Documents that are sealed so that they can be erased.
export * from './documents/index.ts'
// Legal hold of an epoch.
export * from './hold/index.ts'
// The Merkle log in a store.
export * from './log/index.ts'
// The auditor's side: reading what a log says, each entry verified.
export * from './read/index.ts'
// The source side: what every service and gateway records with.
export * from './source/index.ts'
// The auditor's side: verifying a log from its files and pins alone.
export * from './verify/index.ts'
