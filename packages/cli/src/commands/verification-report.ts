import { formatVkey, type LogVerification, MEANINGS } from '@writ/audit'
import { thumbprint } from '@writ/keys'
import type { EvidencePlace } from './audit-place.ts'
import { instantText, statementOf } from './audit-verdict.ts'

/** Name and version of the report's form: `docs/verification-report.md` and `verification-report.schema.json` beside it. Members are only ever added. */
export const REPORT_FORMAT = 'writ-verification/1'

export interface ReportFacts {
  readonly place: EvidencePlace
  /** Whether nothing was on its way into the log any more. */
  readonly complete: boolean
  readonly seconds: number
  readonly madeAt: Date
  readonly madeBy: string
}

/** The machine-readable report: what was verified, against which pins, with which result. JSON, and nothing but what is in it is signed. */
export function verificationReport(found: LogVerification, facts: ReportFacts): object {
  const { findingsCount, twoPerson, until, known, timed, stores, retention, findings, ...rest } = found
  const { place, complete, seconds, madeAt, madeBy } = facts
  return {
    format: REPORT_FORMAT,
    made_at: madeAt.toISOString(),
    made_by: `writ ${madeBy}`,
    read_from: place.reader.name,
    ...rest,
    statement: statementOf(found),
    findings: findings.map((finding) => ({ ...finding, meaning: MEANINGS[finding.verdict] })),
    findings_count: findingsCount,
    ...(twoPerson !== undefined && { two_person: twoPerson }),
    ...(until > 0 && { until: instantText(until) }),
    complete,
    known_checkpoints: known,
    timed_checkpoints: timed,
    stores,
    retention: retention.map((checked, at) => ({ log: found.logs[at], ...checked })),
    pins: pinsOf(place),
    took_ms: Math.round(seconds * 1000),
  }
}

function pinsOf({ vkeys, pins, pinnedBy }: EvidencePlace): object {
  const kids = (keys: object): object =>
    Object.fromEntries(Object.entries(keys).map(([name, jwk]) => [name, thumbprint(jwk)]))
  return {
    by: pinnedBy,
    log_vkeys: vkeys.map(formatVkey),
    operators: kids(pins.operators),
    anchors: kids(pins.anchors),
    ...(pins.two_person !== undefined && { two_person: pins.two_person }),
  }
}
