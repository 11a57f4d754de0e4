import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, rm } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { type Gateway, startGateway } from '@writ/gateway-sdk'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openStage, type Stage, until } from './support/gateway-stage.ts'
import { planOf } from './support/world.ts'

// Between every two steps of the order in which a gateway works (CONTRACT "Redeem"): delivered, taken on, redeem written, sent, answered,
// start written, action begun, ended, end written, recorded, sent, stored, written, acknowledged. A gateway that was built is killed
// there with kill -9; the next one goes on from what is on the disk.

let stage: Stage
let files: Awaited<ReturnType<Stage['enrol']>>
let child: ChildProcess | undefined
let gateway: Gateway | undefined
const ran: string[] = []

beforeAll(async () => {
  stage = await openStage()
})
afterAll(() => stage?.[Symbol.asyncDispose]())
beforeEach(async () => {
  files = await stage.enrol()
  ran.length = 0
})
afterEach(async () => {
  child?.kill('SIGKILL')
  await gateway?.[Symbol.asyncDispose]()
  gateway = undefined
  await stage.clear()
  await rm(files.dir, { recursive: true, force: true })
})

async function killedAt(point: string): Promise<void> {
  const script = fileURLToPath(new URL('./support/gateway-killed.mjs', import.meta.url))
  child = spawn(process.execPath, [script, files.dir, point], { stdio: ['ignore', 'inherit', 'inherit'] })
  await once(child, 'exit')
  expect(child.signalCode).toBe('SIGKILL')
}

const effects = () => readFile(`${files.dir}/effects`, 'utf8').catch(() => '')

const NOTHING_BEGUN = { redeems: 1, effects: 1, told: ['started', 'succeeded'], ended: 'action.succeeded' }
const REDEEMED = { redeems: 1, effects: 0, told: ['refused interrupted'], ended: 'action.refused' }
const BEGUN = { redeems: 1, effects: 0, told: ['started', 'unknown interrupted'], ended: 'action.unknown' }
const DONE = { ...NOTHING_BEGUN }

describe('G5, G12: a gateway that is killed does nothing twice, and says what it cannot know', () => {
  test.each([
    ['a plan was delivered and is not taken on', NOTHING_BEGUN],
    ['a plan was taken on and its redeem not written', NOTHING_BEGUN],
    ['a redeem was written and not sent', { ...REDEEMED, redeems: 0 }],
    ['a redeem was sent and not answered', REDEEMED],
    ['a redeem was answered and the start not written', REDEEMED],
    ['a start was written and the action not begun', BEGUN],
    ['an action was begun and has not ended', { ...BEGUN, effects: 1 }],
    ['an action ended and its end was not written', { ...BEGUN, effects: 1 }],
    ['an end was written and not recorded', DONE],
    ['an end was recorded and not sent', DONE],
    ['an outcome was stored and that not written', DONE],
    ['that an outcome was stored was written and the plan not acknowledged', DONE],
    ['a plan was acknowledged', DONE],
  ])('killed when %s', async (point, expected) => {
    await stage.ackWait(2)
    if (point === 'a redeem was sent and not answered') {
      stage.issuer = () => {
        child?.kill('SIGKILL')
        return undefined
      }
    }
    const parts = await planOf(stage.plant)
    await stage.send(parts)
    await killedAt(point)
    stage.issuer = (redeem, jws) => stage.grant(redeem, jws)
    gateway = await startGateway({
      ...{ enrolment: files.enrolment, key: files.key, stateDir: `${files.dir}/state` },
      actions: { restart: ({ stepId }) => void ran.push(stepId) },
    })
    const outcomes = () =>
      stage.of(parts).map(({ state, reason }) => (reason === undefined ? state : `${state} ${reason.code}`))
    await until(async () => (await stage.plansLeft()) === 0 && outcomes().length >= expected.told.length, 20_000)
    const { plan_id } = stage.of(parts)[0] ?? {}
    const ends = async () =>
      (await stage.auditEvents()).filter((event) => event.plan_id === plan_id && event.type !== 'action.started')
    await until(async () => (await ends()).length > 0)
    const done = (await effects()).split('\n').length - 1 + ran.length
    // What may have been sent before is sent again, the same outcomes.
    const told = [...new Set(outcomes())]
    const ended = [...new Set((await ends()).map(({ type }) => type))]
    expect({
      redeems: new Set(stage.redeems.map(({ jti }) => jti)).size,
      effects: done,
      told,
      ended: ended.join(),
    }).toEqual(expected)
  })
})
