export { REASON_CODES, type Reason, type ReasonCode } from './codes.ts'
export { Fault, type FaultOptions, isFault, reasonOf } from './fault.ts'
