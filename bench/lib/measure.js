import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { cpus, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { countPerIntent } from './count.js'
import { machineOf, measureFloor } from './floor.js'
import { runLoad } from './run-load.js'
import { openStage } from './stage.js'
import { stagesOf } from './stages.js'

/** @typedef {{ root: string, log: (line: string) => void, quick: boolean, rate: number, seconds: number, replicas: readonly number[] }} Options */
/** @typedef {Awaited<ReturnType<typeof measure>>} Measured */
/** @typedef {Omit<Awaited<ReturnType<typeof runLoad>>, 'intents' | 'begun' | 'wallMinusClock'>} Load */

/** How many intents are under way at a time; the ramp shows where more bring nothing. */
const RAMP = [8, 32, 64]
/** JIT compilers and caches are warm after some thousand intents. */
const WARM_IN_FLIGHT = 32
const SEALED_WITHIN_MS = 3000

/** @param {Options} options */
export async function measure(options) {
  const { root, log } = options
  const machine = await describeMachine(root)
  log(
    `${machine.cores} × ${machine.cpu}, ${machine.memoryGib} GiB, Node ${machine.node}, ${machine.date}, ${machine.commit}`,
  )
  const runs = []
  for (const replicas of options.replicas) runs.push(await measureReplicas(options, replicas))
  return {
    machine,
    options: { rate: options.rate, seconds: options.seconds, quick: options.quick },
    runs,
    cost: await measureCost(options),
  }
}

/** @param {Options} options @param {number} replicas */
async function measureReplicas({ root, log, quick, rate, seconds }, replicas) {
  log(`\n${replicas} of each service`)
  const stage = await openStage({ root, replicas, log })
  try {
    await warm(stage, quick, log)
    log(`${rate} intents a second for ${seconds} s …`)
    const steady = await runLoad(stage, { rate, seconds })
    await delay(SEALED_WITHIN_MS)
    const stages = await stagesOf(stage, steady)
    /** @type {Load[]} */
    const ramp = []
    for (const inFlight of quick ? [32] : RAMP) {
      log(`${inFlight} under way at a time for ${seconds} s …`)
      ramp.push(figures(await runLoad(stage, { inFlight, seconds })))
    }
    const idleSeconds = quick ? 10 : 60
    log(`${idleSeconds} s idle …`)
    await delay(idleSeconds * 1000)
    const first = await runLoad(stage, { inFlight: 1, seconds: 60, count: 1 })
    return { replicas, steady: figures(steady), stages, ramp, idleSeconds, firstAfterIdleMs: first.toAction.max }
  } finally {
    await stage.close()
  }
}

/** Counted and profiled in a run of its own, since both cost something; then the floor of what was counted. @param {Options} options */
async function measureCost({ root, log, quick, seconds }) {
  log('\nCounting and profiling')
  const folder = await mkdtemp(join(tmpdir(), 'writ-bench-counts-'))
  const stage = await openStage({ root, replicas: 1, log, hook: { folder, profile: true } })
  try {
    await warm(stage, quick, log)
    const plain = await runLoad(stage, { inFlight: WARM_IN_FLIGHT, seconds })
    const counted = await countPerIntent(stage, folder, { inFlight: WARM_IN_FLIGHT, seconds })
    await stage.close()
    log('The floor …')
    const intents = Math.max(200, Math.min(plain.sent, 5000))
    const floor = await measureFloor({ root, per: counted.per, intents, inFlight: WARM_IN_FLIGHT, log })
    return {
      plain: figures(plain),
      per: counted.per,
      counts: counted.counts,
      countedIntents: counted.load.sent,
      profiles: counted.profiles.map(shortened),
      floor,
      ratio: plain.cpuMsPerIntent / floor.cpuMsPerIntent,
    }
  } finally {
    await stage.close()
    await rm(folder, { recursive: true, force: true })
  }
}

/** @param {import('./stage.js').Stage} stage @param {boolean} quick @param {(line: string) => void} log */
export async function warm(stage, quick, log) {
  log('Warming up …')
  await runLoad(stage, { inFlight: WARM_IN_FLIGHT, seconds: quick ? 10 : 60, count: quick ? 500 : 6000 })
}

/** @param {Awaited<ReturnType<typeof runLoad>>} load @returns {Load} */
export function figures({ intents: _, begun: __, wallMinusClock: ___, ...rest }) {
  return rest
}

const TOP = 12

/** @param {Awaited<ReturnType<typeof countPerIntent>>['profiles'][number]} profile */
function shortened({ name, busy, busyMs, packages = [], functions = [] }) {
  return { name, busy, busyMs, packages: packages.slice(0, TOP), functions: functions.slice(0, TOP) }
}

/** @param {string} root */
export async function describeMachine(root) {
  const { stdout } = await promisify(execFile)('git', ['describe', '--always', '--dirty'], { cwd: root }).catch(() => ({
    stdout: 'no commit',
  }))
  return {
    date: new Date().toISOString(),
    commit: stdout.trim(),
    cpu: await machineOf(),
    cores: cpus().length,
    memoryGib: Math.round(totalmem() / 2 ** 30),
    node: process.version,
  }
}
