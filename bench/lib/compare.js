import { describeMachine, figures, warm } from './measure.js'
import { runLoad } from './run-load.js'
import { openStage } from './stage.js'
import { openWorktree } from './worktree.js'

const IN_FLIGHT = 32

/**
 * This tree and another commit, in turn on one machine: what else the machine does meanwhile meets both.
 *
 * @param {import('./measure.js').Options & { ref: string, rounds: number }} options
 */
export async function compare({ root, log, quick, rate, seconds, ref, rounds }) {
  const machine = await describeMachine(root)
  log(`Building ${ref} …`)
  const other = await openWorktree(root, ref)
  try {
    const trees = [
      { name: other.commit, root: other.root },
      { name: machine.commit, root },
    ]
    /** @type {Map<string, Record<string, number>[]>} */
    const found = new Map(trees.map(({ name }) => [name, []]))
    for (let round = 0; round < rounds; round++)
      for (const tree of round % 2 === 0 ? trees : trees.toReversed()) {
        log(`\nRound ${round + 1} of ${rounds}: ${tree.name}`)
        found.get(tree.name)?.push(await measureOnce(tree.root, { log, quick, rate, seconds }))
      }
    const [before = [], after = []] = trees.map(({ name }) => found.get(name))
    const names = Object.keys(before[0] ?? {})
    const changes = names.map((name) => {
      const [was, is] = [before, after].map((rows) => median(rows.map((row) => row[name] ?? Number.NaN)))
      return { figure: name, before: was ?? Number.NaN, after: is ?? Number.NaN }
    })
    return { machine, before: other.commit, after: machine.commit, rounds, changes }
  } finally {
    await other.close()
  }
}

/** @param {string} root @param {Pick<import('./measure.js').Options, 'log' | 'quick' | 'rate' | 'seconds'>} options */
async function measureOnce(root, { log, quick, rate, seconds }) {
  const stage = await openStage({ root, replicas: 1, log: () => undefined })
  try {
    await warm(stage, quick, log)
    const full = figures(await runLoad(stage, { inFlight: IN_FLIGHT, seconds }))
    const steady = figures(await runLoad(stage, { rate, seconds }))
    const cpu = Object.entries(full.cpuMs).map(([name, ms]) => [`CPU per intent, ms: ${name}`, ms / full.sent])
    return {
      [`p50 to action at ${rate}/s, ms`]: steady.toAction.p50,
      [`p99 to action at ${rate}/s, ms`]: steady.toAction.p99,
      'intents a second at saturation': full.perSecond,
      'p50 to action at saturation, ms': full.toAction.p50,
      'CPU per intent, ms': full.cpuMsPerIntent,
      ...Object.fromEntries(cpu),
      'messages to NATS per intent': full.serverMessages / full.sent,
      'cores that other programs used': full.othersCpuMs / full.seconds / 1000,
    }
  } finally {
    await stage.close()
  }
}

/** @param {readonly number[]} values */
function median(values) {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN
}
