/** @param {number | undefined} value @param {number} [digits] */
const n = (value, digits = 0) =>
  value !== undefined && Number.isFinite(value)
    ? value.toLocaleString('en', { maximumFractionDigits: digits, minimumFractionDigits: digits })
    : '–'

/** @param {number} bytes */
const gb = (bytes) => `${n(bytes / 1e9, 2)} GB`

/** @param {{ p50: number, p99: number }} ms */
const times = ({ p50, p99 }) => `p50 ${n(p50)} ms, p99 ${n(p99)} ms`

/** @param {import('./measure-audit.js').MeasuredAudit} measured */
export function auditText({ machine, otherCores, stores, tessera, sinks, latency, backlog, verify }) {
  const { date, commit, cpu, cores, memoryGib, node } = machine
  const lines = [
    `Writ ${commit}, ${date}`,
    `${cores} × ${cpu}, ${memoryGib} GiB, Node ${node}; other programs used ${n(otherCores, 1)} cores`,
    '',
  ]
  for (const store of stores)
    lines.push(
      `The Merkle log alone, leaves of ${n(store.leafBytes)} bytes, ${store.store}`,
      `  ${n(store.leavesPerSecond)} leaves a second, ${n(store.putsPerMillion)} PUTs and ${gb(store.bytesPerMillion)} a million leaves`,
      `  ${n(store.seals)} seals: ${times(store.sealMs)}`,
    )
  const [first] = stores
  if (tessera !== undefined && first !== undefined)
    lines.push(
      `Tessera's POSIX log, the same leaves: ${n(tessera.leavesPerSecond)} a second; ours takes ${n((100 * first.leavesPerSecond) / tessera.leavesPerSecond)} % of that`,
    )
  for (const sink of sinks)
    lines.push(
      '',
      `audit-sink from a filled stream into ${sink.store}: ${n(sink.messages)} messages of 16 events, ${n(sink.messageBytes)} bytes each`,
      `  ${n(sink.eventsPerSecond)} events a second (${n(sink.messagesPerSecond)} messages); CPU a message: sink ${n(sink.cpuUsAMessage.sink)} µs, nats-server ${n(sink.cpuUsAMessage.nats)} µs`,
      `  memory ${n(sink.residentMib.early)} MiB in the first half, ${n(sink.residentMib.late)} MiB in the second`,
    )
  if (latency !== undefined)
    lines.push(
      '',
      `From a message's publishing to hearing its signed checkpoint, ${n(latency.perSecond)} a second, a seal a second: ${times(latency.ms)}${latency.unheard > 0 ? `; ${latency.unheard} not heard of` : ''}`,
    )
  if (backlog !== undefined)
    lines.push(
      '',
      `Backlog of ${n(backlog.messages)} messages of one event: ${n(backlog.messagesPerSecond)} a second, memory ${n(backlog.residentMib.early)} then ${n(backlog.residentMib.late)} MiB${backlog.residentMib.flat ? ', flat' : ', GROWING'}`,
    )
  for (const { written, verified } of verify)
    lines.push(
      '',
      `A log of ${n(written.events)} typical events (${n(written.entries)} entries, ${gb(written.bytes)})`,
      `  written: ${n(written.eventsPerSecond)} events a second, ${n(written.putsPerMillionEvents)} PUTs and ${gb(written.bytesPerMillionEvents)} a million events, at most ${n(written.residentMib)} MiB`,
      `  verified: ${verified.ok ? 'ok' : 'NOT OK'}, ${n(verified.eventsPerSecond)} events a second, a million in ${n(1e6 / verified.eventsPerSecond)} s, CPU ${n(verified.cpuUsAnEvent)} µs an event`,
      `  memory of the verifier: ${n(verified.halves[0])} MiB in the first half, ${n(verified.halves[1])} MiB in the second`,
    )
  return `${lines.join('\n')}\n`
}
