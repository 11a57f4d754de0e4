// `npm run bench:audit`: what the audit log takes, what a seal costs, and how fast a log is verified, on this machine. Needs the built packages.
// docs/performance-audit.md says how to read it.

import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { measureAudit, PARTS } from './lib/measure-audit.js'
import { auditText } from './lib/report.js'

const USAGE = `npm run bench:audit -- [options]

  --quick           small numbers: about two minutes
  --only PARTS      of ${PARTS.join(',')}
  --leaves N        leaves of 1.2 KB into the log alone and into Tessera; 200000
  --messages N      messages of 16 events that wait for the sink; 12000 (a gateway may have 4,096 waiting)
  --backlog N       small messages that wait for the sink; 200000 (a million with --day)
  --events N,M      sizes of the logs that are written and verified; 300000,1000000
  --day             a day's log: --events 1000000,10000000 --backlog 1000000 (needs 40 GB of disk)
  --json            the figures as JSON on standard output
`

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', default: PARTS.join(',') },
    leaves: { type: 'string' },
    messages: { type: 'string' },
    backlog: { type: 'string' },
    events: { type: 'string' },
    day: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

const { quick, day } = values
const count = (/** @type {string | undefined} */ text, /** @type {number} */ small, /** @type {number} */ usual) =>
  text === undefined ? (quick ? small : usual) : Number(text)

if (values.help) process.stdout.write(USAGE)
else {
  const events = values.events ?? (day ? '1000000,10000000' : quick ? '50000' : '300000,1000000')
  const measured = await measureAudit({
    root: fileURLToPath(new URL('../..', import.meta.url)),
    log: (line) => void process.stderr.write(`${line}\n`),
    parts: new Set(values.only.split(',')),
    leaves: count(values.leaves, 40_000, 200_000),
    messages: count(values.messages, 4500, 12_000),
    backlog: count(values.backlog, 20_000, day ? 1_000_000 : 200_000),
    events: events.split(',').map(Number),
  })
  process.stdout.write(values.json ? `${JSON.stringify(measured, null, 2)}\n` : auditText(measured))
}
