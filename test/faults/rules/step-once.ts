import { groupBy, type Rule, stepOf } from './rule.ts'

/** Every step was begun at most once, by what the devices wrote down themselves. */
export const stepOnce: Rule = ({ effects }) => {
  const perDevice = groupBy(effects, ({ intent_digest, device_id }) => `${intent_digest} on ${device_id}`)
  return [...groupBy(effects, stepOf), ...perDevice]
    .filter(([, times]) => times.length > 1)
    .map(([about, times]) => ({ rule: 'step-once', about, message: `it was begun ${times.length} times` }))
}
