import { copyFile, mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  isDone,
  isForgettable,
  type KeptOutcome,
  nextUse,
  openTries,
  outcomesOf,
  unstored,
} from '../core/journal-state.ts'
import type { PlanFacts } from '../core/plan-facts.ts'
import { PlanJournal } from './plan-journal.ts'

let dir: string
let path: string
let journal: PlanJournal
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'writ-journal-'))
  path = join(dir, 'plans.journal')
  journal = await PlanJournal.open(path)
})
afterEach(async () => {
  await journal[Symbol.asyncDispose]()
  await rm(dir, { recursive: true, force: true })
})

async function reopen(): Promise<void> {
  await journal[Symbol.asyncDispose]()
  journal = await PlanJournal.open(path)
}

const facts = (plan_id = 'p1', exp = 1000): PlanFacts => ({
  plan_id,
  plan_digest: `digest of ${plan_id}`,
  intent_digest: 'i',
  agent_id: 'a1',
  token_id: 't1',
  action: 'restart',
  exp,
  max_uses: 2,
  steps: [
    { step_id: 's0', device_id: 'd1' },
    { step_id: 's1', device_id: 'd2' },
  ],
})
const outcome = (state: KeptOutcome['state'], changes: Partial<KeptOutcome> = {}): KeptOutcome => {
  const kept = { plan_id: 'p1', step_id: 's0', state, use: 1, final: state !== 'started', ...changes }
  const name = `${kept.plan_id}/${kept.step_id}/${kept.use} ${state}`
  return { ...kept, digest: name, jws: `${name} ${'x'.repeat(100)}` }
}
const plan = (id = 'p1') => {
  const state = journal.plan(id)
  if (state === undefined) throw new Error(`no plan ${id}`)
  return state
}
const step = () => {
  const [first] = plan().steps
  if (first === undefined) throw new Error('no step')
  return first
}

/** What a process that takes over after a `kill -9` at this moment would find. */
async function onDisk() {
  const copy = join(dir, 'copy')
  await copyFile(path, copy)
  const found = await PlanJournal.open(copy)
  await found[Symbol.asyncDispose]()
  return found.plans
}

describe('what a restart finds', () => {
  test('G12: a redeem that may have been sent, and the plan that it belongs to, are there together', async () => {
    await journal.takeOn(facts())
    expect(plan().steps).toHaveLength(2)
    await journal.redeem('p1', 's0', 1, 'redeem')
    expect((await onDisk()).map((found) => [found.facts.plan_id, openTries(found).length])).toEqual([['p1', 1]])
  })

  test('an outcome of which it is not known that the stream has it is said again', async () => {
    await journal.takeOn(facts())
    await journal.ended(outcome('failed'))
    await journal.stored(outcome('failed'))
    expect(unstored(plan())).toEqual([])
    expect((await onDisk()).flatMap(unstored).map(({ state }) => state)).toEqual(['failed'])
    await journal.ended(outcome('refused', { step_id: 's1' }))
    expect((await onDisk()).flatMap(unstored).map(({ state }) => state)).toEqual(['refused'])
  })

  test('a redeem without a start is open, and so is a start without an end', async () => {
    await journal.takeOn(facts())
    await journal.redeem('p1', 's0', 1, 'redeem')
    await reopen()
    expect(openTries(plan()).map(({ tried }) => [tried.use, tried.started])).toEqual([[1, undefined]])
    await journal.started(outcome('started'))
    await reopen()
    expect(openTries(plan()).map(({ tried }) => tried.started?.state)).toEqual(['started'])
    await journal.ended(outcome('succeeded'))
    await reopen()
    expect(openTries(plan())).toEqual([])
    expect(step().final?.state).toBe('succeeded')
    expect(isDone(plan())).toBe(false)
  })

  test('a try that ended without effect leaves the next use, and an unheard one leaves the same', async () => {
    await journal.takeOn(facts())
    await journal.redeem('p1', 's0', 1, 'redeem')
    await journal.unheard('p1', 's0', 1)
    await reopen()
    expect([openTries(plan()), nextUse(step())]).toEqual([[], 1])
    await journal.redeem('p1', 's0', 1, 'redeem')
    await journal.ended(outcome('refused', { final: false }))
    await reopen()
    expect([openTries(plan()), nextUse(step()), step().final]).toEqual([[], 2, undefined])
  })

  test('the first final outcome of a step stays', async () => {
    await journal.takeOn(facts())
    await journal.ended(outcome('unknown'))
    await journal.ended(outcome('refused', { use: 2 }))
    await reopen()
    expect(step().final?.state).toBe('unknown')
  })

  test('outcomes wait until they are stored; a start that was taken back is not told', async () => {
    await journal.takeOn(facts())
    await journal.started(outcome('started'))
    await journal.ended(outcome('refused', { final: false }))
    await journal.started(outcome('started', { use: 2 }))
    await journal.ended(outcome('failed', { use: 2 }))
    await reopen()
    expect(unstored(plan()).map(({ state, use }) => `${state} ${use}`)).toEqual(['refused 1', 'started 2', 'failed 2'])
    for (const kept of unstored(plan())) await journal.stored(kept)
    await reopen()
    expect(unstored(plan())).toEqual([])
    expect(outcomesOf(plan())).toHaveLength(3)
  })

  test('a plan whose chain holds has its own steps, whatever a refused one of the same id had', async () => {
    await journal.takeOn({ ...facts(), plan_digest: 'forged', steps: [{ step_id: 's0', device_id: 'd9' }] })
    await journal.ended(outcome('refused'))
    await journal.takeOn(facts())
    await reopen()
    const steps = plan().steps.map(({ step_id, device_id, final }) => [step_id, device_id, final?.state])
    expect(steps).toEqual([
      ['s0', 'd1', 'refused'],
      ['s1', 'd2', undefined],
    ])
    expect(isDone(plan())).toBe(false)
  })

  test('a plan is found by its digest only when all of it has ended', async () => {
    await journal.takeOn(facts())
    await journal.ended(outcome('succeeded'))
    expect(journal.doneByDigest('digest of p1')).toBeUndefined()
    await journal.ended(outcome('refused', { step_id: 's1' }))
    expect(journal.doneByDigest('digest of p1')?.facts.plan_id).toBe('p1')
    await reopen()
    expect(journal.doneByDigest('digest of p1')?.facts.plan_id).toBe('p1')
  })
})

describe('compaction', () => {
  const fill = async (id: string, exp: number, stored: boolean) => {
    await journal.takeOn(facts(id, exp))
    for (const step_id of ['s0', 's1']) {
      await journal.redeem(id, step_id, 1, 'r'.repeat(20_000))
      await journal.started(outcome('started', { plan_id: id, step_id }))
      await journal.ended(outcome('succeeded', { plan_id: id, step_id }))
    }
    if (stored) for (const kept of outcomesOf(plan(id))) await journal.stored(kept)
  }

  test('keeps everything that can still matter, and forgets what is long expired and said', async () => {
    await fill('old', 1000, true)
    await fill('unsaid', 1000, false)
    for (let n = 0; n < 30; n++) await fill(`new-${n}`, 1_000_000, true)
    await journal.redeem('new-0', 's0', 2, 'open redeem')
    const before = journal.plans.filter(({ facts: { plan_id } }) => plan_id !== 'old')
    const { size } = await stat(path)
    await journal.compactIfWorth(100_000)
    expect((await stat(path)).size).toBeLessThan(size / 5)
    expect(journal.plan('old')).toBeUndefined()
    await reopen()
    const told = (plans: typeof before) =>
      plans.map((each) => [each.facts, outcomesOf(each), unstored(each), openTries(each), isDone(each)])
    expect(told(journal.plans.map((each) => each))).toEqual(told(before))
  })

  test('a plan that has something open or unsaid is never forgotten', async () => {
    await fill('p1', 1000, false)
    expect(isForgettable(plan(), 10 ** 9)).toBe(false)
    for (const kept of outcomesOf(plan())) await journal.stored(kept)
    expect([isForgettable(plan(), 1001), isForgettable(plan(), 10 ** 9)]).toEqual([false, true])
  })
})
