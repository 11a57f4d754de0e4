import { total } from './numbers.js'

/** @param {number} value @param {number} [digits] */
const n = (value, digits = 1) => (Number.isFinite(value) ? value.toFixed(digits) : '–')

/** @param {{ p50: number, p95: number, p99: number }} p */
const times = ({ p50, p95, p99 }) => `${n(p50).padStart(8)} ${n(p95).padStart(8)} ${n(p99).padStart(8)}`

/** @param {import('./measure.js').Measured['machine']} machine */
function heading(machine) {
  const { date, commit, cpu, cores, memoryGib, node } = machine
  return `Writ ${commit}, ${date}\n${cores} × ${cpu}, ${memoryGib} GiB, Node ${node}; load generator and plant on the same machine\n`
}

/** @param {import('./measure.js').Measured} measured */
export function reportText({ machine, options, runs, cost }) {
  const lines = [heading(machine)]
  for (const { replicas, steady, stages, ramp, idleSeconds, firstAfterIdleMs } of runs) {
    lines.push(
      `${replicas} of each service`,
      `  ${options.rate} intents a second, ms                 p50      p95      p99`,
      `    publish to action begun        ${times(steady.toAction)}`,
      `    publish to final status        ${times(steady.toEnd)}`,
      ...Object.entries(stages).map(([name, { step }]) => `      … ${name.padEnd(25)}${times(step)}`),
      `    ${outcome(steady)}`,
      `  saturation             per second      p50      p95      p99   CPU ms per intent`,
      ...ramp.map(
        (load) =>
          `    ${`${load.order.inFlight} under way`.padEnd(22)}${n(load.perSecond).padStart(7)} ${times(load.toAction)} ${n(load.cpuMsPerIntent, 2).padStart(10)}   ${outcome(load)}`,
      ),
      `  first answer after ${idleSeconds} s idle: ${n(firstAfterIdleMs)} ms (p95 at the steady rate: ${n(steady.toAction.p95)} ms)`,
      '',
    )
  }
  return `${[...lines, ...costLines(cost)].join('\n')}\n`
}

/** @param {import('./measure.js').Load} load */
function outcome({ sent, succeeded, refused, otherEnds, othersCpuMs, seconds }) {
  const others = Object.entries(otherEnds).map(([state, count]) => `${count} ${state}`)
  return [
    `${succeeded} of ${sent} succeeded`,
    ...others,
    ...(refused > 0 ? [`${refused} not taken by the stream`] : []),
    `other programs used ${n(othersCpuMs / seconds / 1000, 2)} cores`,
  ].join(', ')
}

/** @param {import('./measure.js').Measured['cost']} cost */
function costLines({ plain, per, floor, ratio, profiles }) {
  const { stored } = per
  return [
    `CPU per intent at saturation: ${n(plain.cpuMsPerIntent, 2)} ms; floor ${n(floor.cpuMsPerIntent, 2)} ms; ratio ${n(ratio, 2)}`,
    ...Object.entries(plain.cpuMs)
      .toSorted(([, a], [, b]) => b - a)
      .map(
        ([name, ms]) =>
          `  ${name.padEnd(20)} ${n(ms / plain.sent, 2).padStart(6)} ms ${n((100 * ms) / total(plain.cpuMs), 0).padStart(3)} %`,
      ),
    '',
    'An intent takes (counted in the run; the floor does the same, with nothing between)',
    `  ${n(per.signs)} signatures, ${n(per.verifies)} verifications`,
    `  ${n(stored.FLUSHED.n)} flushed and ${n(stored.ASYNC.n + stored.QUEUE.n)} other messages stored, ${n(per.gets)} direct gets, ${n(per.asks.n)} requests to services`,
    `  ${n(per.syncs)} flushes of files, ${n(per.flushedWrites)} flushed writes in all, ${n(per.redis)} Redis commands`,
    `  floor: ${Object.entries(floor.cpuMs)
      .map(([name, ms]) => `${name} ${n(ms / floor.intents, 2)} ms`)
      .join(', ')}; ${n(floor.perSecond)} a second`,
    '',
    'Where the rest goes: share of the time that a process was not idle',
    ...profiles.flatMap(({ name, busy, packages, functions }) => [
      `  ${name}, busy ${n(100 * (busy ?? 0), 0)} % of the time`,
      `    ${packages.map((each) => `${each.name} ${n(100 * each.share, 0)} %`).join(', ')}`,
      `    ${functions.map((each) => `${each.name} ${n(100 * each.share)} %`).join(', ')}`,
    ]),
  ]
}

/** @param {Awaited<ReturnType<typeof import('./compare.js').compare>>} found */
export function comparisonText({ machine, before, after, rounds, changes }) {
  const row = (/** @type {readonly string[]} */ cells) =>
    `${(cells[0] ?? '').padEnd(44)}${cells
      .slice(1)
      .map((cell) => cell.padStart(14))
      .join('')}`
  return `${[
    heading(machine),
    row([`median of ${rounds} rounds in turn`, before, after, 'change']),
    ...changes.map(({ figure, before: was, after: is }) =>
      row([figure, n(was, 2), n(is, 2), `${is >= was ? '+' : ''}${n((100 * (is - was)) / was, 0)} %`]),
    ),
  ].join('\n')}\n`
}

/** @param {Awaited<ReturnType<typeof import('./memory.js').measureMemory>>} found */
export function memoryText({ machine, intents, growth }) {
  return `${[
    heading(machine),
    `Resident memory over ${intents} intents, MiB: median of the second and of the last quarter`,
    ...growth.map(
      ({ name, early, late, flat }) =>
        `  ${name.padEnd(20)} ${n(early, 0).padStart(6)} ${n(late, 0).padStart(6)}  ${flat ? 'flat' : 'grows'}`,
    ),
  ].join('\n')}\n`
}
