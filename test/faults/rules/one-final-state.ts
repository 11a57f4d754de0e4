import { FINAL, type Finding, groupBy, type Rule } from './rule.ts'

/** Every intent that the bus took reaches exactly one final state; only `unknown` may still change. */
export const oneFinalState: Rule = ({ asked, statuses }) => {
  const heard = groupBy(statuses, ({ intent_digest }) => intent_digest)
  return asked.flatMap(({ id, digest }): Finding[] => {
    const all = (heard.get(digest) ?? []).toSorted((a, b) => a.n - b.n)
    const say = (message: string): Finding => ({ rule: 'one-final-state', about: id, message })
    const settled = new Set(all.map(({ state }) => state).filter((state) => FINAL.has(state) && state !== 'unknown'))
    const found: Finding[] = []
    const last = all.at(-1)
    if (last === undefined) found.push(say('nothing was ever said of it'))
    else if (!FINAL.has(last.state)) found.push(say(`it was last ${last.state}`))
    if (settled.size > 1) found.push(say(`it is ${[...settled].join(' and ')}`))
    const end = all.find(({ state }) => FINAL.has(state) && state !== 'unknown')
    const left = all.find(({ n, state }) => end !== undefined && n > end.n && state !== end.state && !FINAL.has(state))
    if (left !== undefined) found.push(say(`it was ${end?.state} and is ${left.state} again`))
    for (const [n, same] of groupBy(all, ({ n }) => String(n)))
      if (new Set(same.map(({ state }) => state)).size > 1) found.push(say(`two statuses have the number ${n}`))
    return found
  })
}
