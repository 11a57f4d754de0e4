import { type Sample, sumOf } from './read-metrics.ts'

/** What waits, and how old what was done last is, as far as the services that answered know. */
export interface Backlog {
  readonly intents_open?: number
  readonly log_entries?: number
  readonly seal_age_s?: number
  readonly oldest_unsealed_s?: number
  readonly audit_uncovered?: number
  readonly audit_unsent?: number
  readonly tick_age_s?: number
}

/** One service's page of metrics. */
interface Page {
  readonly samples: readonly Sample[]
}

/**
 * Replicas speak of the same thing or each of its own, so what each said is put together by what it means: what a replica holds itself is
 * summed; of what all of them see, the most is taken; of a last success, the newest, whoever had it.
 */
export function backlogOf(services: readonly Page[], nowMs: number): Backlog {
  const each = (name: string): readonly number[] =>
    services.flatMap(({ samples }) => sumOf(samples, name) ?? []).filter(Number.isFinite)
  const known = {
    // Every intent-gateway follows all intents.
    intents_open: most(each('writ_intents_open')),
    log_entries: logEntries(services),
    seal_age_s: ageOf(most(each('writ_seal_last_success_timestamp_seconds')), nowMs),
    oldest_unsealed_s: most(each('writ_audit_unsealed_age_seconds')),
    audit_uncovered: total(each('writ_audit_uncovered_messages')),
    audit_unsent: total(each('writ_audit_unsent_messages')),
    // Every token-issuer ticks for itself, and one that does is enough; another that does not says so by not being ready.
    tick_age_s: least(each('writ_tick_age_seconds')),
  }
  return Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined))
}

/** By whoever looked at the log last: one that stands still may still count the entries of the epoch before. */
function logEntries(services: readonly Page[]): number | undefined {
  const said = services.flatMap(({ samples }) => {
    const entries = sumOf(samples, 'writ_log_entries')
    const at = sumOf(samples, 'writ_seal_last_success_timestamp_seconds') ?? 0
    return entries === undefined ? [] : [{ entries, at }]
  })
  const newest = Math.max(...said.map(({ at }) => at))
  return most(said.filter(({ at }) => at === newest).map(({ entries }) => entries))
}

/** 0: it has not happened since the process began. */
function ageOf(seconds: number | undefined, nowMs: number): number | undefined {
  return seconds === undefined || seconds === 0 ? undefined : Math.max(0, Math.round(nowMs / 1000 - seconds))
}

const most = (values: readonly number[]): number | undefined => (values.length === 0 ? undefined : Math.max(...values))
const least = (values: readonly number[]): number | undefined => (values.length === 0 ? undefined : Math.min(...values))
const total = (values: readonly number[]): number | undefined =>
  values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0)
