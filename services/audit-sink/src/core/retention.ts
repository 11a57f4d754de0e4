import { Fault } from '@writ/contracts'

/**
 * How long evidence is kept, in days: what a regime asks for at least, what is kept where nothing else is said, and what is too long. The upper bounds are
 * ours: no rule names one, but evidence holds pseudonyms of people, which are kept no longer than their purpose needs (GDPR Art. 5(1)(e)), and a
 * lock cannot be shortened by anybody. docs/retention.md has the same table with its sources.
 */
interface Regime {
  readonly title: string
  readonly floorDays: number
  /** Absent: the days must be named. */
  readonly usualDays?: number
  readonly capDays: number
  /** Where the plane is in the European Union. */
  readonly capDaysInEu: number
}

const YEAR = 365.25
const years = (count: number): number => Math.ceil(count * YEAR)
/** The longest. */
const QUARTER = 92

export type RetentionRegime = 'eu-ai-act' | 'one-year' | 'sec-17a-4' | 'custom'

const REGIMES: Readonly<Record<RetentionRegime, Regime>> = {
  /** At least six months, of which none has more than 184 days. */
  'eu-ai-act': {
    title: 'the EU AI Act (Regulation 2024/1689, Art. 19 and 26(6))',
    floorDays: 190,
    usualDays: 190,
    capDays: years(10),
    capDaysInEu: years(3),
  },
  /** For rules that let the entity set its period, as DORA and NIS2 do. */
  'one-year': {
    title: 'one year',
    floorDays: years(1),
    usualDays: years(1),
    capDays: years(10),
    capDaysInEu: years(3),
  },
  'sec-17a-4': {
    title: 'SEC Rule 17a-4(a)',
    floorDays: years(6),
    usualDays: years(6) + QUARTER,
    capDays: years(10),
    capDaysInEu: years(7),
  },
  custom: { title: 'a period of your own', floorDays: 1, capDays: 36_525, capDaysInEu: years(10) },
}

export const RETENTION_REGIMES: readonly RetentionRegime[] = Object.keys(REGIMES) as RetentionRegime[]

/** The period of a regime where none is named. Throws Fault `malformed` where it must be, and where it is below the regime's floor. */
export function retentionDaysOf(regime: RetentionRegime, days: number | undefined): number {
  const { title, floorDays, usualDays } = REGIMES[regime]
  const kept = days ?? usualDays
  if (kept === undefined) throw refusal('WRIT_RETENTION_DAYS must be set where WRIT_RETENTION_REGIME is custom.')
  if (kept >= floorDays) return kept
  throw refusal(
    `WRIT_RETENTION_DAYS is ${kept}, and ${title} keeps records for at least ${floorDays} days. Where it does not apply, set WRIT_RETENTION_REGIME.`,
  )
}

/** Throws Fault `malformed` where a period is longer than the regime explains in the plane's region. */
export function checkRetentionCap(regime: RetentionRegime, days: number, region: string): void {
  const { title, capDays, capDaysInEu } = REGIMES[regime]
  const inEu = /^(eu|eusc)-/.test(region)
  const cap = inEu ? capDaysInEu : capDays
  if (days <= cap) return
  const law = inEu ? ' in the European Union, where personal data is kept no longer than its purpose needs' : ''
  throw refusal(
    `WRIT_RETENTION_DAYS is ${days}: ${title} explains at most ${cap} days${law}. What is locked cannot be shortened afterwards.`,
  )
}

function refusal(message: string): Fault {
  return new Fault('malformed', { message })
}
