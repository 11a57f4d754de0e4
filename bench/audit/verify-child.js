// Verifies a log as `writ audit verify` does, in a process of its own, and tells how fast it was.

import { built } from '../lib/built.js'

const [root = '', dir = '', vkey = '', pins = '{}'] = process.argv.slice(2)
const { directoryReader, parseVkey, verifyLog } = await built(root, 'packages/audit')
const started = performance.now()
const found = await verifyLog({
  reader: directoryReader(dir),
  vkeys: [parseVkey(vkey)],
  pins: JSON.parse(pins),
  complete: true,
})
const seconds = (performance.now() - started) / 1000
const { user, system } = process.cpuUsage()
process.send?.({
  ok: found.ok,
  findings: found.findings.slice(0, 5),
  messages: found.messages,
  events: found.events,
  effects: found.effects,
  documents: found.documents,
  seconds,
  eventsPerSecond: found.events / seconds,
  cpuUsAnEvent: (user + system) / found.events,
})
