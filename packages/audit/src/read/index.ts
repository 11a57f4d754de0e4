export type { ChainEvent } from './chain-order.ts'
export type { EpochGap } from './epoch-gaps.ts'
export { EvidenceLog, type EvidenceOptions } from './evidence-log.ts'
export { type Found, type FoundEvents, type FoundIntent, isAbout, type Search } from './find-evidence.ts'
export {
  type AroundIntents,
  type DecisionStory,
  type IntentStory,
  intentStory,
  type StepStory,
} from './intent-story.ts'
export { NotVerified } from './not-verified.ts'
export type { Doubt, ReadDocument, ReadEntry, ReadEvent } from './read-entry.ts'
export { type Everything, readEverything, type Wanted } from './read-everything.ts'
export type { SignedLog } from './signed-log.ts'
