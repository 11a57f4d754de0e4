import { writeFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { check } from './faults/check.ts'
import type { History } from './faults/history.ts'
import { SECOND } from './faults/inject.ts'
import { startPlant } from './faults/plant.ts'
import { report } from './faults/report.ts'
import { lastStatuses } from './faults/rules/ends-as-it-was.ts'
import { runSchedule } from './faults/run.ts'
import { schedule, scheduleOf } from './faults/schedule.ts'
import { freePorts } from './support/nats.ts'

// `npm run test:faults -- --seed N --intents M --history FILE` sets these; without them the short subset runs.
const { WRIT_FAULTS_SEED: seed, WRIT_FAULTS_INTENTS: count, WRIT_FAULTS_HISTORY: file } = process.env
const SHORT = seed === undefined
const WITHIN_MS = SHORT ? 400_000 : 7_200_000

const SERVICES = ['intent-gateway', 'policy-evaluator', 'token-issuer', 'audit-sink'] as const

const say = (line: string): void => void process.stderr.write(`${line}\n`)

describe('G1, G4, G5, G12: every process is killed, some are stopped and cut off, Redis is emptied and rolled back', () => {
  test(
    'every intent ends once, every step ran at most once after its two records, and the log has it all once',
    async () => {
      await using plant = await startPlant('faults')
      const plan = schedule(Number(seed ?? 7), Number(count ?? (SHORT ? 40 : 500)), SHORT)
      const history = await runSchedule(plant, plan, say)
      if (file !== undefined) await writeFile(file, JSON.stringify(history))
      const findings = check(history)
      say(report(history, findings))
      expect(findings, plant.said.join('\n')).toEqual([])
    },
    WITHIN_MS,
  )
})

describe.runIf(SHORT)('two replicas of every service side by side', () => {
  async function replicated(name: string) {
    const plant = await startPlant(name)
    const ports = await freePorts(SERVICES.length)
    for (const [at, role] of SERVICES.entries()) await plant.startReplica(role, SECOND, ports[at] ?? 0)
    return plant
  }

  test('each is killed under load without a failed intent', async () => {
    await using plant = await replicated('replicas')
    const kills = SERVICES.flatMap((role, at) => [
      { kind: 'kill' as const, process: at % 2 === 0 ? role : `${role}-${SECOND}` },
    ])
    const history = await runSchedule(plant, scheduleOf(21, 36, kills), say)
    const findings = check(history)
    say(report(history, findings))
    expect(findings, plant.said.join('\n')).toEqual([])
    expect(endsOf(history)).toEqual(new Set(['succeeded']))
  }, 300_000)

  test('a policy is changed while an old instance is stopped and the other starts again: no decision under a bundle that is not active', async () => {
    await using plant = await replicated('policies')
    const changes = (['policy-evaluator', 'token-issuer', 'policy-evaluator', 'token-issuer'] as const).map(
      (process) => ({
        kind: 'new-policy' as const,
        process,
      }),
    )
    const history = await runSchedule(plant, scheduleOf(22, 36, changes), say)
    const findings = check(history)
    say(report(history, findings))
    expect(findings, plant.said.join('\n')).toEqual([])
    expect(history.policies.length).toBe(1 + changes.length)
  }, 300_000)
})

function endsOf(history: History): ReadonlySet<string> {
  const last = lastStatuses(history)
  return new Set(history.asked.map(({ digest }) => last.get(digest)?.state ?? 'nothing'))
}
