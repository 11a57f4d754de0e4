import type { ChildProcess } from 'node:child_process'
import { intentMessage, issueRpc, type Plan } from '@writ/contracts'
import { openMessage } from '@writ/keys'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { at, BrokerStage, kill, until } from './support/broker-stage.ts'
import { REGION } from './support/world.ts'

/**
 * intent-gateway as a process of its own, from what was built, killed with `kill -9` at some moment and started again on the same directory.
 * Between which two of its steps it is killed is chosen in broker-kills.test.ts.
 */
let stage: BrokerStage
let child: ChildProcess

beforeAll(async () => {
  stage = await BrokerStage.open()
  await stage.ackWait(2)
  child = await stage.spawn()
  await stage.fileAll()
})
afterEach(() => stage.reset())
afterAll(() => stage?.[Symbol.asyncDispose]())

const jtiOf = (intent: string) => openMessage(intentMessage, intent).claims.jti

async function restart(): Promise<void> {
  await kill(child)
  child = await stage.spawn()
}

/** A gateway that knows a plan again: each of its steps is done once, however often the plan comes. */
function doOnce(): Map<string, number> {
  const seen = new Map<string, number>()
  stage.onPlan = async (gateway, plan: Plan) => {
    const times = (seen.get(plan.plan_id) ?? 0) + 1
    seen.set(plan.plan_id, times)
    if (times > 1) return
    for (const { step_id, device_id } of plan.steps)
      await stage.report(gateway, await stage.outcome(plan, { step_id, device_id }))
  }
  return seen
}

describe('killed with kill -9, it goes on where it was', () => {
  test('while nobody runs, intents and outcomes wait', async () => {
    const running = await stage.intent()
    await stage.send(running)
    await stage.reaches(jtiOf(running), 'executing')
    await kill(child)
    const [plan] = stage.plansOf(running)
    if (plan === undefined) throw new Error('no plan')
    await stage.report('g1', await stage.outcome(plan))
    const later = await stage.intent()
    await stage.send(later)
    await restart()
    await stage.reaches(jtiOf(running), 'succeeded')
    await stage.reaches(jtiOf(later), 'executing')
  })

  test('at every so many questions, with many intents under way: each is done, once', async () => {
    const seen = doOnce()
    const killAfter = [4, 11, 19, 30, 42]
    let asked = 0
    let restarting = Promise.resolve()
    const count = () => {
      asked += 1
      if (!killAfter.includes(asked)) return
      child.kill('SIGKILL')
      restarting = restarting.then(restart)
    }
    const [decide, issue] = [stage.decide, stage.issue]
    stage.decide = (request) => {
      count()
      return decide(request)
    }
    stage.issue = (request) => {
      count()
      return issue(request)
    }
    const intents = await Promise.all(
      Array.from({ length: 24 }, (_, n) => stage.intent({ targets: n % 2 ? ['d1'] : ['d2', 'd3'] })),
    )
    for (const intent of intents) await stage.send(intent)
    await until(() => asked >= Math.max(...killAfter), 60_000)
    await restarting
    for (const intent of intents) await stage.reaches(jtiOf(intent), 'succeeded')
    const dispatched = intents.flatMap((intent) => stage.plansOf(intent).map(({ plan_id }) => plan_id))
    expect([new Set(dispatched).size, dispatched.every((id) => seen.has(id))]).toEqual([36, true])
    for (const intent of intents) {
      const tokens = new Set(stage.plansOf(intent).map(({ token }) => token))
      const ids = new Set(stage.plansOf(intent).map(({ plan_id }) => plan_id))
      expect(tokens.size).toBe(ids.size)
    }
    expect(stage.callsOf(issueRpc, intents[0] ?? '')).toBeGreaterThan(0)
  })

  test('when a gateway’s record is filed and not yet recorded: it is in the log before it has a plan', async () => {
    const command = await stage.command('gateway', 'g9', {
      keys: [stage.signer('gateway', 'g9').jwk],
      jurisdiction: REGION,
    })
    await kill(child)
    const filer = await stage.bus('intent-gateway', 'ig9')
    await filer.store(at.registry('gateway', 'g9'), command, { stream: 'SIGNERS' })
    child = await stage.spawn()
    const recordings = async () =>
      (await stage.events()).filter(({ type, detail }) => type === 'record.filed' && detail?.['id'] === 'g9')
    await until(async () => (await recordings()).length > 0)
    expect((await recordings())[0]?.detail).toMatchObject({ keys: [stage.signer('gateway', 'g9').jwk] })
  })

  test('everything that was recorded is one unbroken chain for each boot', async () => {
    const heads = new Map<string, number>()
    const seen = new Set<string>()
    for (const { source, seq, events } of await stage.audit()) {
      if (seen.has(`${source} ${seq}`)) continue
      seen.add(`${source} ${seq}`)
      expect(seq).toBe((heads.get(source) ?? -1) + 1)
      heads.set(source, seq)
      if (seq === 0) expect(events[0]?.type).toBe('source.started')
    }
    expect(heads.size).toBeGreaterThan(4)
  })
})
