import { Fault } from '@writ/contracts'

/**
 * Evidence that is there and does not verify, where it keeps something from being read or written at all. Where it does not, what is read says
 * so itself: see `ReadEntry.doubts`.
 */
export class NotVerified extends Fault {}
