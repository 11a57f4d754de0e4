import { createHash } from 'node:crypto'
import type { FoundEvents, IntentStory, LogVerification, ReadEntry, ReadEvent } from '@writ/audit'
import type { DecidedAgain } from '../policy/decide-again.ts'
import { againText } from './audit-again.ts'
import { type Html, html, words } from './audit-html.ts'
import { untold } from './audit-lines.ts'
import { STYLE } from './audit-report-style.ts'
import { demandsOf, sawText, sentenceOf, whoOf } from './audit-sentences.ts'
import { entriesOf } from './audit-traced.ts'
import { instantText, placeOf, statementOf } from './audit-verdict.ts'

/** All that a report says. */
export interface Report {
  /** What was asked for, a line each: name and value. */
  readonly about: readonly (readonly [name: string, value: string])[]
  readonly madeAt: Date
  readonly madeBy: string
  readonly verification: LogVerification
  /** The signed note that everything shown stands under. */
  readonly checkpoint: string
  /** Pinned keys: whose, and the key’s id or text. */
  readonly pins: readonly (readonly [whose: string, key: string])[]
  readonly pinnedBy: string
  readonly stories: readonly IntentStory[]
  readonly others: readonly FoundEvents[]
  /** What came of deciding again, by the decision's digest. */
  readonly again: ReadonlyMap<string, DecidedAgain>
  /** What is not in it, and why. */
  readonly leftOut: readonly string[]
  /** Documents could be opened. */
  readonly opened: boolean
}

/** One file for a browser: nothing in it runs, nothing is fetched, what anybody wrote stays text. */
export function reportHtml(report: Report): string {
  const { verification, stories, others } = report
  const style = createHash('sha256').update(STYLE).digest('base64')
  const policy = `default-src 'none'; style-src 'sha256-${style}'; base-uri 'none'; form-action 'none'`
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>Evidence report: ${verification.origin}</title>
`
  const body = html`</head>
<body>
<main>
${heading(report)}
${verdict(verification)}
${numbers(report)}
${report.leftOut.map((text) => html`<p class="doubt">${text}</p>`)}
${overview(stories)}
${stories.length === 0 ? undefined : html`<h2>Intents</h2>`}
${stories.map((story) => intentArticle(story, report.again))}
${othersTable(others)}
${details(report)}
${proofs(report)}
<footer>Made by writ ${report.madeBy} on ${timeOf(report.madeAt.toISOString())}. Times are UTC, by the clocks of those who signed.</footer>
</main>
</body>
</html>
`
  return `${page.text}<style>${STYLE}</style>\n${body.text}`
}

function heading({ about, madeAt, verification, opened }: Report): Html {
  const stayed =
    verification.sealed === 0 ? 'all of them' : `but ${verification.sealed}, which no key that was given opens`
  return html`<p class="kicker">${verification.origin}</p>
<h1>Evidence report</h1>
<div class="card facts-card">
<dl class="facts">
${about.map(([name, value]) => html`<dt>${name}</dt><dd>${words(value)}</dd>`)}
<dt>Log</dt><dd>${verification.origin}: ${verification.size} entries under a signed checkpoint, root <code>${verification.root}</code></dd>
<dt>Sealed documents</dt><dd>${opened ? `opened, ${stayed}` : 'left sealed: people are named by pseudonyms (p:…), purposes and results are not shown'}</dd>
<dt>Made</dt><dd>${timeOf(madeAt.toISOString())} UTC</dd>
</dl>
</div>`
}

function verdict(verification: LogVerification): Html {
  const { ok, findings, findingsCount } = verification
  const [first = '', ...rest] = statementOf(verification)
  const [word = '', ...sentence] = first.split(': ')
  return html`<section class="card verdict ${ok ? 'good' : 'bad'}" id="verdict">
<strong>${ok ? '✓' : '✗'} ${word}</strong>
<p>${capital(sentence.join(': '))}</p>
${rest.map((text) => (text.startsWith('UNPROVEN') ? html`<p class="doubt">${text}</p>` : html`<p>${text}</p>`))}
</section>
${
  findings.length === 0
    ? undefined
    : html`<h2>What is wrong</h2>
<div class="card scroll"><table>
<thead><tr><th>Finding</th><th>Where</th><th>What it means</th></tr></thead>
<tbody>${findings.map(({ verdict: name, where, message }) => html`<tr><td class="doubt who">${name}</td><td>${placeOf(where).replace(/: $/, '')}</td><td>${message}</td></tr>`)}</tbody>
</table></div>
${findingsCount > findings.length ? html`<p>… and ${findingsCount - findings.length} more.</p>` : undefined}`
}`
}

function numbers({ stories, verification }: Report): Html {
  const count = (...states: readonly IntentStory['state'][]): number =>
    stories.filter(({ state }) => states.includes(state)).length
  const shown: readonly (readonly [number, string])[] = [
    [stories.length, 'intents in this report'],
    [count('succeeded'), 'succeeded'],
    [count('denied', 'revoked', 'expired', 'cancelled'), 'refused or withdrawn'],
    [count('failed', 'partial', 'unknown'), 'failed, in part or unknown'],
    [verification.messages, 'signed messages verified in the log'],
  ]
  return html`<div class="numbers">${shown.map(([value, name]) => html`<div class="card"><b>${value.toLocaleString('en-US')}</b><span>${name}</span></div>`)}</div>`
}

function overview(stories: readonly IntentStory[]): Html {
  if (stories.length === 0) return html`<p>No intent fits what was asked for.</p>`
  return html`<h2>At a glance</h2>
<div class="card scroll"><table>
<thead><tr><th>When</th><th>Who asked</th><th>For what</th><th>Outcome</th><th>Evidence</th></tr></thead>
<tbody>${stories.map(
    (story) => html`<tr><td class="time">${whenOf(story)}</td><td>${words(askerOf(story))}</td>
<td><a href="#${anchorOf(story)}">${words(wantedOf(story))}</a></td><td>${badge(story.state)}</td><td>${markOf(story.verified)}</td></tr>`,
  )}</tbody>
</table></div>`
}

function intentArticle(story: IntentStory, again: Report['again']): Html {
  const { intent, digest, intent_id, decisions, approvals, steps, state, reasons, events, unreadable } = story
  return html`<article class="card" id="${anchorOf(story)}">
<header><h3>${words(wantedOf(story))}</h3><span>${badge(state)} ${story.verified ? undefined : badge('not verified')}</span></header>
<dl class="facts">
<dt>Asked by</dt><dd>${words(askerOf(story))}, ${whenOf(story)}</dd>
${intent === undefined ? undefined : html`<dt>Purpose</dt><dd><blockquote>${words(intent.purpose)}</blockquote></dd>`}
${intent?.params === undefined ? undefined : html`<dt>Parameters</dt><dd><code>${JSON.stringify(intent.params)}</code></dd>`}
${decisions.map((decision) => decisionRow(decision, again.get(decision.digest)))}
${reasons.length === 0 ? undefined : html`<dt>Refused because</dt><dd>${reasons.join(', ')}</dd>`}
${approvals.map(
  ({ user, verdict: said, approval }) => html`<dt>${said === 'reject' ? 'Rejected by' : 'Approved by'}</dt>
<dd>${words(approval === undefined ? user : `${approval.iss} (${user})`)}${approval?.comment === undefined ? undefined : html` <blockquote>${words(approval.comment)}</blockquote>`}<br><span class="quiet">${sawText(approval, story)}</span></dd>`,
)}
${steps.map(stepRow)}
${untold(story) === undefined ? undefined : html`<dt>Other steps</dt><dd>${untold(story)}</dd>`}
<dt>Intent</dt><dd class="id">${intent_id ?? 'not known'}, digest ${digest}</dd>
</dl>
<div class="timeline scroll"><table>
<thead><tr><th>Leaf</th><th>Time</th><th>Recorded by</th><th>What happened</th></tr></thead>
<tbody>${events.map(({ entry, read }) => eventRow(entry, read))}${unreadable.map(emptyRow)}</tbody>
</table></div>
</article>`
}

function decisionRow(
  { outcome, policy, reasons, obligations }: IntentStory['decisions'][number],
  again: DecidedAgain | undefined,
): Html {
  const why = [...demandsOf({ outcome, obligations }), ...reasons.map(({ code, message }) => `${message} (${code})`)]
  return html`<dt>Decided</dt><dd>${badge(outcome.replace('_', ' '))} under policy version ${policy.version}, bundle <code>${policy.bundle_sha256}</code>${why.map((text) => html`<br>${text}`)}<br><span class="${again?.state === 'different' ? 'doubt' : 'quiet'}">Decided again: ${againText(again)}</span></dd>`
}

function stepRow({ step_id, device_id, gateway_id, state, reasons, outcome }: IntentStory['steps'][number]): Html {
  const why = outcome?.reason === undefined ? reasons.join(', ') : `${outcome.reason.message} (${outcome.reason.code})`
  return html`<dt>Step ${step_id}</dt><dd>${badge(state)} ${device_id} via gateway ${gateway_id}${why === '' ? undefined : html`: ${words(why)}`}
${outcome?.result === undefined ? undefined : html`<br><span class="quiet">returned</span> <code>${JSON.stringify(outcome.result)}</code>`}</dd>`
}

function eventRow(entry: ReadEntry, read: ReadEvent): Html {
  const { verb, text } = sentenceOf(read)
  return html`<tr><td class="leaf">${markOf(entry.doubts.length === 0)} <a href="#${leafAnchor(entry)}">${entry.index}</a></td>
<td class="time">${exactTimeOf(read.event.timestamp)}</td><td class="who">${whoOf(entry)}</td><td><b>${verb}</b> ${words(text)}${doubts(entry)}</td></tr>`
}

function emptyRow(entry: ReadEntry): Html {
  return html`<tr><td class="leaf">${markOf(false)} <a href="#${leafAnchor(entry)}">${entry.index}</a></td><td></td><td></td><td>${doubts(entry)}</td></tr>`
}

function doubts({ doubts: found }: ReadEntry): Html | undefined {
  if (found.length === 0) return undefined
  return html`<br><span class="doubt">Not verified: ${found.map(({ message }) => message).join(' ')}</span>`
}

function othersTable(others: readonly FoundEvents[]): Html | undefined {
  if (others.length === 0) return undefined
  return html`<h2>Other events</h2>
<p class="quiet">Records that operators filed, authority that they withdrew, and what services and gateways said of themselves.</p>
<div class="card scroll"><table>
<thead><tr><th>Leaf</th><th>Time</th><th>Recorded by</th><th>What happened</th></tr></thead>
<tbody>${others.flatMap(({ entry, events }) =>
    events.length === 0 ? [emptyRow(entry)] : events.map((read) => eventRow(entry, read)),
  )}</tbody>
</table></div>`
}

function details({ verification, pins, pinnedBy }: Report): Html {
  const { logs, seals, sources, messages, events, effects, documents, sealed, waiting, until } = verification
  const facts: readonly (readonly [string, string])[] = [
    ['Logs read', logs.join(', ')],
    ['Seals', String(seals)],
    ['Messages', `${messages} of ${sources} sources, with ${events} events`],
    ['Effects', `${effects} plans, tokens, redeems and actions, each with what it rests on`],
    ['Documents', `${documents}, of which ${sealed} were sealed to this reader`],
    ...(until === 0 ? [] : [['Up to', `${instantText(until)}, when a service last signed something in it`] as const]),
    ['On their way', `${waiting} messages, effects or seals of the last moment`],
  ]
  return html`<h2>How this was verified</h2>
<p>The files of the log were read and compared with the keys below, which were given to the reader beforehand and are not taken from the log. A ✓ beside a leaf says: this entry stands in the log under its signed checkpoint, and a key that was valid for its source has signed it. The proof of each entry is in this file.</p>
<div class="card facts-card"><dl class="facts">
${facts.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}
${pins.map(([whose, key]) => html`<dt>${whose}</dt><dd class="id">${key}</dd>`)}
<dt>Pinned by</dt><dd>${words(pinnedBy)}</dd>
</dl></div>`
}

function proofs({ stories, others, checkpoint }: Report): Html {
  const sorted = [...entriesOf({ stories, others })].sort((a, b) =>
    a.origin === b.origin ? a.index - b.index : a.origin < b.origin ? -1 : 1,
  )
  return html`<h2>Proofs</h2>
<p class="paper">The proofs of ${sorted.length} entries are in the file that this was printed from.</p>
<div class="proofs">
<p>For each entry: the exact bytes that are in the log, and a C2SP tlog-proof that leads from them to the signed checkpoint. Save each as a file (without the last line break) and any tool for transparency logs verifies them with the log’s pinned key. Click into a box to mark all of it.</p>
<details class="card"><summary>The signed checkpoint</summary><div class="inside"><pre>${checkpoint}</pre></div></details>
${sorted.map(
  (
    entry,
  ) => html`<details class="card" id="${leafAnchor(entry)}"><summary>${markOf(entry.doubts.length === 0)} Entry ${entry.index} of ${entry.origin}: ${entry.message === undefined ? 'no audit message' : `message ${entry.message.seq} of ${entry.message.source}`}</summary>
<div class="inside">${doubts(entry)}
<p class="quiet">Proof</p><pre>${entry.proof ?? 'none: it could not be proven'}</pre>
<p class="quiet">Entry</p><pre>${entry.entry === undefined ? 'missing' : Buffer.from(entry.entry).toString('latin1')}</pre></div></details>`,
)}
</div>`
}

function askerOf({ agent_id, intent, user }: IntentStory): string {
  return `agent ${agent_id ?? 'not known'} for ${intent?.on_behalf_of ?? user ?? 'nobody known'}`
}

function wantedOf({ action, intent, steps }: IntentStory): string {
  const devices = intent?.targets ?? [...new Set(steps.map(({ device_id }) => device_id))]
  return devices.length === 0 ? (action ?? 'not known') : `${action} ${devices.join(', ')}`
}

const GOOD: readonly string[] = ['succeeded', 'allow']
const BAD: readonly string[] = ['denied', 'deny', 'failed', 'refused', 'aborted', 'revoked', 'unknown', 'not verified']
const WARN: readonly string[] = ['partial', 'expired', 'cancelled', 'needs approval', 'needs attestation']

function badge(state: string): Html {
  const look = GOOD.includes(state) ? 'good' : BAD.includes(state) ? 'bad' : WARN.includes(state) ? 'warn' : ''
  return html`<span class="badge ${look}">${state}</span>`
}

function markOf(verified: boolean): Html {
  return verified
    ? html`<span class="mark good" title="verified">✓</span>`
    : html`<span class="mark bad" title="not verified">✗</span>`
}

const anchorOf = ({ digest }: IntentStory): string => `intent-${digest}`
const leafAnchor = ({ origin, index }: ReadEntry): string => `leaf-${origin.replaceAll('/', '-')}-${index}`
const whenOf = ({ at }: IntentStory): string => (at === undefined ? 'time not verified' : timeOf(at))
const capital = (text: string): string => `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`
const timeOf = (iso: string): string => iso.replace('T', ' ').replace(/(\.\d+)?Z$/, '')
const exactTimeOf = (iso: string): string => iso.replace('T', ' ').replace(/Z$/, '')
