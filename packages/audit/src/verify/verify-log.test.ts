import { createHash } from 'node:crypto'
import { chmod, cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { heartbeats, ORIGIN, pins, plant, seal, subjectKeys, vkeys } from '../testing/plant-log.ts'
import { entriesAbout } from './entries-about.ts'
import { directoryReader } from './log-reader.ts'
import { type VerifyOptions, verifyLog } from './verify-log.ts'

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'writ-verify-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

const verify = (over: Partial<VerifyOptions> = {}) =>
  verifyLog({ reader: directoryReader(dir), vkeys, pins, complete: true, ...over })

test('a whole log verifies with nothing but its files and the pins', async () => {
  const { messages, opening, planId } = await plant()
  await seal(dir, opening, [messages.slice(0, 8), messages.slice(8)])
  const found = await verify()
  expect(found.findings).toEqual([])
  expect(planId).toMatch(/^p/)
  expect(found).toMatchObject({ ok: true, origin: ORIGIN, size: messages.length + 1, sources: 5, seals: 3, effects: 6, sealed: 6, waiting: 0 })
})
