// The transcript as a document.
import { EXPLANATIONS } from './explain.js'
import { claimsOf, headerOf } from './jws.js'

const LONG = 160
const SHOWN = 48

const INTRO = `# One intent, every message

Made by \`npm run transcript\` from a real run on a throw-away plane; do not edit it by hand. The keys and ids below mean nothing anywhere else.
The same, for programs: [transcript.json](transcript.json), test vectors for signatures, digests and chains. How to write a client:
[clients.md](clients.md). Claims, one by one: [JSON Schemas](../packages/contracts/schemas).

An agent reads a temperature. The messages stand in the order in which one leads to the next; where two run side by side (a status and an
audit message) either may be first on the wire. Of messages inside a message, the claims below show which one, not its bytes again; other
long values are cut. *Raw* is always complete: it is the exact body that crossed the bus.

`

/** @param {import('./record.js').Transcript} transcript */
export function render({ enrolment, entries }) {
  const numbers = new Map(entries.map(({ name }, index) => [name, index + 1]))
  const names = new Map(entries.filter(({ typ }) => typ !== undefined).map(({ name, raw }) => [raw, name]))
  const given = `## What is given out of band

\`enrolment.json\` of the agent. Keys that are not pinned here are believed only because a pinned key signed for them.

\`\`\`json
${JSON.stringify(enrolment, null, 2)}
\`\`\`

## The messages
`
  /** @param {string} value */
  const shorten = (value) => {
    const name = names.get(value)
    if (name !== undefined) return `‹the exact bytes of ${numbers.get(name)}, ${name}›`
    return value.length > LONG ? `${value.slice(0, SHOWN)}… ‹${value.length} characters›` : value
  }
  const sections = entries.map((entry, index) => section(entry, index + 1, numbers, shorten))
  return `${INTRO}${given}\n${sections.join('\n')}`
}

/**
 * @param {import('./record.js').Entry} entry
 * @param {number} number
 * @param {ReadonlyMap<string, number>} numbers
 * @param {(value: string) => string} shorten
 */
function section(entry, number, numbers, shorten) {
  const about = EXPLANATIONS[entry.name]
  if (about === undefined) throw new Error(`Nothing explains ${entry.name}.`)
  const key = about.key?.replaceAll(
    /`((?:endorsement|record) [a-z-]+)`/g,
    (_, name) => `${numbers.get(name)} (${name})`,
  )
  const rows = [
    ['from → to', `${about.from} → ${about.to}`],
    ['subject', entry.subject === undefined ? `inside ${numbers.get(entry.inside ?? '')}` : `\`${entry.subject}\``],
    ['reply', entry.reply && `\`${entry.reply}\``],
    [
      'headers',
      entry.headers &&
        Object.entries(entry.headers)
          .map(([name, value]) => `\`${name}: ${value}\``)
          .join(', '),
    ],
    ['digest', entry.digest && `\`${entry.digest}\``],
    ['key', key],
  ]
  const table = rows.filter(([, value]) => value).map(([name, value]) => `| ${name} | ${value} |`)
  return `### ${number}. ${about.title}${entry.typ === undefined ? '' : ` — \`${entry.typ}\``}

${about.text}

| | |
|---|---|
${table.join('\n')}
${body(entry, shorten)}`
}

/** @param {import('./record.js').Entry} entry @param {(value: string) => string} shorten */
function body({ typ, raw }, shorten) {
  if (raw === '') return '\nAn empty body.\n'
  if (typ === undefined) return `\n\`\`\`text\n${raw}\n\`\`\`\n`
  const text = JSON.stringify(claimsOf(raw), (_, value) => (typeof value === 'string' ? shorten(value) : value), 2)
  return `
Header and claims:

\`\`\`json
${JSON.stringify(headerOf(raw))}
${text}
\`\`\`

<details><summary>Raw, ${raw.length} bytes</summary>

\`\`\`text
${raw}
\`\`\`

</details>
`
}
