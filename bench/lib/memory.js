import { describeMachine } from './measure.js'
import { usages } from './processes.js'
import { runLoad } from './run-load.js'
import { openStage } from './stage.js'

const IN_FLIGHT = 32
const SAMPLES = 40

/**
 * Resident memory of every process over a long run. Flat: the median of the last quarter is at most a tenth, or 16 MiB, above that of
 * the second; what is before that is warming up.
 *
 * @param {import('./measure.js').Options & { intents: number }} options
 */
export async function measureMemory({ root, log, intents }) {
  const machine = await describeMachine(root)
  const stage = await openStage({ root, replicas: 1, log })
  try {
    const part = Math.max(1, Math.ceil(intents / SAMPLES))
    /** @type {{ intents: number, residentMib: Record<string, number> }[]} */
    const samples = []
    let done = 0
    while (done < intents) {
      const load = await runLoad(stage, { inFlight: IN_FLIGHT, seconds: 3600, count: Math.min(part, intents - done) })
      done += load.sent
      const residentMib = Object.fromEntries(
        [...(await usages(stage.pids))].map(([name, { residentKib }]) => [name, residentKib / 1024]),
      )
      samples.push({ intents: done, residentMib })
      log(`${done} of ${intents} at ${load.perSecond.toFixed(0)}/s: ${rounded(residentMib)}`)
      if (load.sent === 0) throw new Error('no intent was taken')
    }
    const growth = [...stage.pids.keys()].map((name) => {
      const quarter = (/** @type {number} */ from) => {
        const rows = samples.slice(Math.floor(samples.length * from), Math.ceil(samples.length * (from + 0.25)))
        return middle(rows.map(({ residentMib }) => residentMib[name] ?? 0))
      }
      const [early, late] = [quarter(0.25), quarter(0.75)]
      return { name, early, late, flat: late <= Math.max(early * 1.1, early + 16) }
    })
    return { machine, intents: done, samples, growth }
  } finally {
    await stage.close()
  }
}

/** @param {readonly number[]} values */
function middle(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

/** @param {Record<string, number>} residentMib */
function rounded(residentMib) {
  return Object.entries(residentMib)
    .map(([name, mib]) => `${name} ${mib.toFixed(0)}`)
    .join(', ')
}
