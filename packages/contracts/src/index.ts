export { REASON_CODES, type Reason, type ReasonCode } from './codes.ts'
export { Fault, type FaultOptions, isFault, reasonOf } from './fault.ts'
export { type JsonSchema, jsonSchemas } from './json-schemas.ts'
export { belongsElsewhere, JurisdictionDirectory, regionOfDevice, regionToAsk } from './jurisdictions.ts'
// Subjects, streams, what crosses account borders and who may do what.
export * from './layout/index.ts'
export * from './limits.ts'
export * from './messages/index.ts'
export * from './rpc.ts'
// What a store of evidence must show, and what a jurisdiction demands of it.
export * from './storage/index.ts'
