export { type BelievesRelease, type HeldEpoch, heldEpochs, readHolds } from './held-epochs.ts'
export type { HoldWord, UnverifiedHold } from './hold-record.ts'
export { requireOwnLog } from './require-own-log.ts'
export { type HoldSet, type SetHold, setHold } from './set-hold.ts'
