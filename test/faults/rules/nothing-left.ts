import type { Rule } from './rule.ts'

/** Once every intent has ended, nothing waits: in no queue, for no acknowledgement, in no outbox, in Redis without an end. */
export const nothingLeft: Rule = ({ left }) =>
  left
    .filter(({ count }) => count !== 0)
    .map(({ what, count }) => ({ rule: 'nothing-left', about: what, message: `${count} are left` }))
