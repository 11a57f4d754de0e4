import { writeFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { check } from './faults/check.ts'
import { startPlant } from './faults/plant.ts'
import { report } from './faults/report.ts'
import { runSchedule } from './faults/run.ts'
import { schedule } from './faults/schedule.ts'

// `npm run test:faults -- --seed N --intents M --history FILE` sets these; without them the short subset runs.
const { WRIT_FAULTS_SEED: seed, WRIT_FAULTS_INTENTS: count, WRIT_FAULTS_HISTORY: file } = process.env
const SHORT = seed === undefined
const WITHIN_MS = SHORT ? 400_000 : 7_200_000

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
