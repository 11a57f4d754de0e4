import type { History } from './history.ts'
import { lastStatuses } from './rules/ends-as-it-was.ts'
import { type Finding, groupBy } from './rules/rule.ts'

/** A page for a person: what was done, how it ended, what the checker found. */
export function report(history: History, findings: readonly Finding[]): string {
  const { schedule, asked, effects, audit, log, plans, usage } = history
  const last = lastStatuses(history)
  const kinds = groupBy(asked, ({ id }) => schedule.intents.find((planned) => planned.id === id)?.kind)
  const ends = [...kinds].map(([kind, intents]) => {
    const states = groupBy(intents, ({ digest }) => last.get(digest)?.state ?? 'nothing')
    return `  ${kind.padEnd(18)} ${counted(states)}`
  })
  const faults = [...groupBy(schedule.faults, ({ kind }) => kind)].map(
    ([kind, each]) => `  ${kind.padEnd(18)} ${each.map(({ process }) => process).join(', ')}`,
  )
  const heard = audit.filter(({ how }) => how === 'heard').length
  const events = log.reduce((sum, message) => sum + message.events.length, 0)
  return [
    `Seed ${schedule.seed}: ${asked.length} intents, ${schedule.faults.length} faults`,
    'Faults',
    ...faults,
    'Intents, and how they ended',
    ...ends.toSorted(),
    `Devices began ${effects.length} steps; ${plans.length} plans went out`,
    `The log has ${log.length} messages with ${events} events; ${audit.length} were seen on the bus, ${audit.length - heard} of them in their stream`,
    `Memory grew by at most ${most(usage, 'rss_bytes') >> 20} MiB, open files by ${most(usage, 'descriptors')}, files by ${most(usage, 'files')}`,
    findings.length === 0 ? 'No findings' : `${findings.length} findings`,
    ...findings.slice(0, 40).map(({ rule, about, message }) => `  ${rule}: ${about}: ${message}`),
  ].join('\n')
}

function counted(groups: ReadonlyMap<string, readonly unknown[]>): string {
  return [...groups].map(([state, each]) => `${each.length} ${state}`).join(', ')
}

function most(usage: History['usage'], what: History['usage'][number]['what']): number {
  return Math.max(0, ...usage.filter((one) => one.what === what).map(({ before, after }) => after - before))
}
