import { resolve } from 'node:path'
import { EvidenceLog, formatVkey } from '@writ/audit'
import { writeFileDurably } from '@writ/durable'
import { thumbprint } from '@writ/keys'
import { EXIT } from '../exit-codes.ts'
import type { Invocation } from '../invocation.ts'
import { styled } from '../terminal/style.ts'
import { version } from '../version.ts'
import { advised, type EvidencePlace, evidencePlace } from './audit-place.ts'
import { reportHtml } from './audit-report-html.ts'
import {
  decidedOtherwise,
  doubtfulOf,
  isVerified,
  otherwiseOf,
  passedOver,
  type SearchOptions,
  type Traced,
  trace,
} from './audit-traced.ts'
import { statementOf } from './audit-verdict.ts'
import { readKnown, readPolicy, verifyPlace } from './audit-verify.ts'

export interface ReportOptions extends SearchOptions {
  readonly html: string
  readonly complete?: boolean
  readonly knownCheckpoint?: readonly string[]
  readonly policy?: string
  readonly retentionDays?: number
  readonly locks?: boolean
}

/** `writ audit report [DIR] --html FILE`: verifies the whole log, and tells the intents of a window in one file. */
export async function auditReport(
  invocation: Invocation,
  dir: string | undefined,
  options: ReportOptions,
): Promise<void> {
  const { out, fail } = invocation
  const place = await evidencePlace(invocation, dir, options)
  const log = await advised(EvidenceLog.open(place))
  // The log may grow meanwhile: what is verified goes on from what is shown.
  const shown = [Buffer.from(log.newest.checkpoint)]
  const brought = await readKnown(options.knownCheckpoint)
  const policy = await readPolicy(options.policy)
  const verified = await verifyPlace(invocation, place, { ...options, known: [...shown, ...brought], policy })
  // That the log goes on from what was read a moment ago is nothing to tell.
  const verification = { ...verified, known: brought.length }
  const traced = await trace(invocation, log, options)
  const file = resolve(options.html)
  const text = reportHtml({
    about: aboutOf(options, place),
    madeAt: new Date(),
    madeBy: version(),
    verification,
    checkpoint: log.newest.checkpoint,
    pins: pinsOf(place),
    pinnedBy: place.pinnedBy,
    ...traced,
    leftOut: leftOutOf(traced, options.limit),
    opened: place.subjectKeys !== undefined,
  })
  await writeFileDurably(file, text)
  const ok = verification.ok && isVerified(traced) && traced.whole && !decidedOtherwise(traced)
  const value = {
    ok,
    file,
    intents: traced.stories.length,
    others: traced.others.length,
    statement: statementOf(verification),
    ...(ok || !verification.ok ? {} : { not_verified: whyNot(traced) }),
  }
  out.result({ ...value, findings: verification.findings, findingsCount: verification.findingsCount }, [
    `${traced.stories.length} intents and ${traced.others.length} other entries written to ${file}`,
    ...(place.subjectKeys === undefined
      ? []
      : ['It holds what people and devices said: keep it as you would keep that.']),
    ...(ok || !verification.ok
      ? [[styled(ok ? 'green' : 'red', statementOf(verification)[0] ?? '')]]
      : whyNot(traced).map((why) => [styled('red', `NOT VERIFIED: ${why}`)])),
  ])
  if (!ok) fail(EXIT.notVerified)
}

/** What is wrong with what the report shows where the log as a whole verifies. */
export function whyNot(
  traced: Pick<Traced, 'stories' | 'others' | 'doubtful' | 'missing' | 'gaps' | 'whole' | 'again'>,
): readonly string[] {
  const marked =
    traced.stories.some(({ verified }) => !verified) || traced.others.some(({ entry }) => entry.doubts.length > 0)
  return [
    ...(marked ? ['the report shows entries that are not verified, each marked in it.'] : []),
    ...doubtfulOf(traced),
    ...passedOver(traced),
    ...otherwiseOf(traced),
  ]
}

function aboutOf(
  { intent, agent, device, token, from, to }: ReportOptions,
  { reader }: EvidencePlace,
): [string, string][] {
  const instant = (ms: number | undefined, otherwise: string): string =>
    ms === undefined ? otherwise : new Date(ms).toISOString()
  const about: [string, string | undefined][] = [
    ['Intent', intent],
    ['Agent', agent],
    ['Device', device],
    ['Token', token],
    [
      'Window',
      from === undefined && to === undefined
        ? undefined
        : `from ${instant(from, 'the beginning')} to ${instant(to, 'now')}`,
    ],
  ]
  const said = about.flatMap(([name, value]): [string, string][] => (value === undefined ? [] : [[name, value]]))
  return [
    ...(said.length === 0 ? [['About', 'everything in the log'] as [string, string]] : said),
    ['Read from', reader.name],
  ]
}

function pinsOf({ vkeys, pins }: EvidencePlace): [string, string][] {
  return [
    ...vkeys.map((vkey): [string, string] => ['Log key', formatVkey(vkey)]),
    ...Object.entries(pins.operators).map(([id, jwk]): [string, string] => [`Operator ${id}`, thumbprint(jwk)]),
    ...Object.entries(pins.anchors).map(([role, jwk]): [string, string] => [`Anchor of ${role}`, thumbprint(jwk)]),
  ]
}

function leftOutOf(traced: Traced, limit: number): string[] {
  const { intentsLeftOut, othersLeftOut } = traced
  const narrow = `the report holds the last ${limit}; a narrower window or a higher --limit shows the others.`
  return [
    ...(intentsLeftOut === 0
      ? []
      : [`Not in this report: ${intentsLeftOut} earlier intents that fit. Of them ${narrow}`]),
    ...(othersLeftOut === 0
      ? []
      : [`Not in this report: ${othersLeftOut} earlier entries about no intent. Of them ${narrow}`]),
    ...[...doubtfulOf(traced), ...passedOver(traced), ...otherwiseOf(traced)].map((what) => `Not verified: ${what}`),
  ]
}
