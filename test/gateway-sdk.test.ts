import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, readFile, rm, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Outcome } from '@writ/contracts'
import {
  ActionFailed,
  type ActionHandler,
  type Gateway,
  type GatewayOptions,
  type Observation,
  startGateway,
} from '@writ/gateway-sdk'
import { ephemeralSigner, jsonSha256 } from '@writ/keys'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openStage, type Stage, until } from './support/gateway-stage.ts'
import { nowSeconds, OBLIGATIONS, type PlanParts, planOf } from './support/world.ts'

let stage: Stage
let files: Awaited<ReturnType<Stage['enrol']>>
let gateway: Gateway | undefined
const children: ChildProcess[] = []
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
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await gateway?.[Symbol.asyncDispose]()
  gateway = undefined
  await stage.clear()
  await rm(files.dir, { recursive: true, force: true })
})

const runs: ActionHandler = ({ deviceId, stepId }) => {
  ran.push(`${stepId} ${deviceId}`)
  return { mode: 'running' }
}

function options(handler: ActionHandler, more: Partial<GatewayOptions> = {}): GatewayOptions {
  return {
    enrolment: files.enrolment,
    key: files.key,
    stateDir: `${files.dir}/state`,
    actions: { restart: handler },
    stopWithinMs: 200,
    ...more,
  }
}

async function start(handler: ActionHandler = runs, more: Partial<GatewayOptions> = {}): Promise<Gateway> {
  gateway = await startGateway(options(handler, more))
  await gateway.ready
  return gateway
}

async function stop(): Promise<void> {
  await gateway?.[Symbol.asyncDispose]()
  gateway = undefined
}

/** A gateway in a process of its own. */
function spawnGateway(mode: 'hold' | 'go'): ChildProcess {
  const script = fileURLToPath(new URL('./support/gateway-child.mjs', import.meta.url))
  const child = spawn(process.execPath, [script, files.dir, mode], { stdio: ['ignore', 'inherit', 'inherit'] })
  children.push(child)
  return child
}

async function killNow(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}

const effects = () => readFile(`${files.dir}/effects`, 'utf8').catch(() => '')
const wordOf = ({ state, reason }: Outcome) => (reason === undefined ? state : `${state} ${reason.code}`)
const told = (parts: PlanParts) => stage.of(parts).map(wordOf)
const ended = () => until(async () => (await stage.plansLeft()) === 0, 20_000)

/** A plan under other obligations than the defaults. */
async function planUnder(obligations: object, token: object = {}, devices: string[] = ['d1']): Promise<PlanParts> {
  const all = { ...OBLIGATIONS, ...obligations }
  return planOf(stage.plant, {
    devices,
    decision: { obligations: all },
    token: { max_uses: all.max_uses, ...('bind' in all && { bind: all.bind as never }), ...token },
  })
}

/** Runs until its signal aborts, then ends as the signal says. */
const untilAborted: ActionHandler = ({ signal, stepId }) => {
  ran.push(stepId)
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
}

describe('a plan whose chain holds', () => {
  test('each step is redeemed, begun, done and told of, in the order of the intent', async () => {
    await start()
    const parts = await planOf(stage.plant, { devices: ['d1', 'd2'] })
    await stage.send(parts)
    await ended()
    expect(ran).toEqual(['s0 d1', 's1 d2'])
    expect(told(parts)).toEqual(['started', 'succeeded', 'started', 'succeeded'])
    expect(stage.redeems.map(({ use_id }) => use_id.split('/').slice(1).join('/'))).toEqual(['s0/1', 's1/1'])
    const result = { mode: 'running' }
    expect(stage.of(parts)[1]).toMatchObject({ result, result_sha256: jsonSha256(result) })
  })

  test('the handler gets the intent’s own parameters, and a deadline less than 2 s away', async () => {
    const seen: unknown[] = []
    await start((context) => {
      seen.push(context.params, context.purpose, context.agentId, context.deadlineToBegin - performance.now() <= 2000)
      return undefined
    })
    await stage.send(await planOf(stage.plant, { intent: { params: { force: true }, purpose: 'Clear the jam.' } }))
    await ended()
    expect(seen).toEqual([{ force: true }, 'Clear the jam.', 'a1', true])
  })

  test('two plans for one device do not run at the same time, and other devices do not wait', async () => {
    let running = 0
    const seen: number[] = []
    await start(async ({ deviceId }) => {
      if (deviceId === 'd2') return undefined
      seen.push(++running)
      await sleep(100)
      running -= 1
      return undefined
    })
    const waits = await planOf(stage.plant, { devices: ['d2'] })
    await Promise.all([planOf(stage.plant), planOf(stage.plant)].map(async (plan) => stage.send(await plan)))
    await stage.send(waits)
    await ended()
    expect(seen).toEqual([1, 1])
    expect(told(waits)).toEqual(['started', 'succeeded'])
  })

  test('its audit chain says what was begun and how it ended, with no document, no user and no text', async () => {
    await start()
    const parts = await planOf(stage.plant)
    await stage.send(parts)
    await ended()
    const { intent_digest, plan_id } = stage.of(parts)[0] as Outcome
    await until(async () => (await ours()).length === 2)
    async function ours() {
      return (await stage.auditEvents()).filter((event) => event.plan_id === plan_id)
    }
    expect((await ours()).map(({ type }) => type)).toEqual(['action.started', 'action.succeeded'])
    expect((await ours())[0]).toMatchObject({ gateway_id: 'g1', device_id: 'd1', agent_id: 'a1', intent_digest })
    for (const event of await stage.auditEvents()) {
      expect(event.documents).toBeUndefined()
      expect(event.user).toBeUndefined()
    }
  })
})

describe('G1: a plan whose chain does not hold has no effect', () => {
  test('garbage is recorded by its digest alone, and never comes again', async () => {
    await start()
    for (const plan of ['', 'x', 'a.b.c', '..', '{}']) await stage.send({ plan })
    await ended()
    expect(stage.outcomes).toEqual([])
  })

  test('a plan by a service whose key is not known yet waits, and runs when the key is there', async () => {
    await start()
    const signer = ephemeralSigner()
    const parts = await planOf(stage.plant, { signers: { plan: signer } })
    await stage.send(parts)
    await sleep(700)
    expect([ran, await stage.plansLeft()]).toEqual([[], 1])
    await stage.endorse('intent-gateway', signer)
    await ended()
    expect(told(parts)).toEqual(['started', 'succeeded'])
  })

  test('G7: what a standing revoke names is refused; lifted, a new plan is taken and the old one stays dead', async () => {
    await start()
    const old = await planOf(stage.plant)
    const seq = await stage.control({ command: 'revoke', scope: 'device', id: 'd1', quarantine: true })
    await stage.send(old)
    await ended()
    await stage.control({ command: 'lift', lifts: seq })
    const dead = await planOf(stage.plant, { token: { rev: { stream: 's1', seq: seq - 1 } } })
    const alive = await planOf(stage.plant)
    await stage.send(dead)
    await stage.send(alive)
    await ended()
    expect([told(old), told(dead), told(alive)]).toEqual([
      ['refused quarantined'],
      ['refused quarantined'],
      ['started', 'succeeded'],
    ])
  })
})

describe('redeeming', () => {
  test('what token-issuer refuses is not begun', async () => {
    stage.issuer = (_, jws) => stage.refuse(jws, 'cancelled')
    await start()
    const parts = await planOf(stage.plant)
    await stage.send(parts)
    await ended()
    expect([ran, told(parts)]).toEqual([[], ['refused cancelled']])
  })

  test('the same bytes are repeated while nobody decides, at most four times, and then it is too late', async () => {
    const bodies = new Set<string>()
    stage.issuer = (_, jws) => {
      bodies.add(jws)
      return stage.refuse(jws, 'unavailable')
    }
    await start()
    const parts = await planOf(stage.plant)
    await stage.send(parts)
    await ended()
    expect([bodies.size, stage.redeems.length, ran, told(parts)]).toEqual([1, 4, [], ['refused too_late']])
  })

  test('a yes that comes after 2 s is too late; the next use is another redeem, and one effect', async () => {
    stage.issuer = async (redeem, jws) => {
      if (redeem.use_id.endsWith('/1')) await sleep(2100)
      return stage.grant(redeem, jws, { of: 2 })
    }
    await start()
    const parts = await planUnder({ max_uses: 2 })
    await stage.send(parts)
    await ended()
    expect([ran, told(parts)]).toEqual([['s0 d1'], ['refused too_late', 'started', 'succeeded']])
    expect(stage.of(parts).map(({ use_id }) => use_id?.at(-1))).toEqual(['1', '2', '2'])
  })

  test('G7: nothing begins before everything that token-issuer had applied is applied here', async () => {
    const rev_head = { stream: 's1', seq: stage.plant.authority.control.seq + 1 }
    stage.issuer = (redeem, jws) => stage.grant(redeem, jws, { rev_head })
    await start()
    const parts = await planOf(stage.plant)
    await stage.send(parts)
    await ended()
    expect([ran, told(parts)]).toEqual([[], ['refused too_late']])
  })

  test('G7: a revoke between redeem and begin stops it', async () => {
    let seq = 0
    stage.issuer = async (redeem, jws) => {
      seq = await stage.control({ command: 'revoke', scope: 'agent', id: 'a1' })
      return stage.grant(redeem, jws)
    }
    await start()
    const parts = await planOf(stage.plant)
    await stage.send(parts)
    await ended()
    await stage.control({ command: 'lift', lifts: seq })
    expect([ran, told(parts)]).toEqual([[], ['refused revoked']])
  })

  test('while nobody listens at all no use is lost: the plan waits for token-issuer', async () => {
    await stage.issuerAway()
    await start()
    const parts = await planOf(stage.plant)
    await stage.send(parts)
    await sleep(2500)
    expect(stage.outcomes).toEqual([])
    await stage.issuerBack()
    await ended()
    expect([ran, told(parts)]).toEqual([['s0 d1'], ['started', 'succeeded']])
  })
})

describe('what the token is bound to', () => {
  const observe = (observation: Observation) => ({ devices: [], observe: () => Promise.resolve(observation) })
  const bind = { network: ['10.0.0.0/8'], device_state: { guard: 'closed' } }
  test.each([
    ['holds', { state: { guard: 'closed', mode: 'idle' }, address: '10.1.2.3' }, ['started', 'succeeded']],
    ['another state', { state: { guard: 'open' }, address: '10.1.2.3' }, ['refused constraint_failed']],
    ['another network', { state: { guard: 'closed' }, address: '192.168.1.1' }, ['refused constraint_failed']],
  ])('%s', async (_, observation, expected) => {
    await start(runs, { reports: observe(observation) })
    const parts = await planUnder({ bind })
    await stage.send(parts)
    await ended()
    expect(told(parts)).toEqual(expected)
  })

  test('a gateway that observes nothing does nothing that is bound', async () => {
    await start()
    const parts = await planUnder({ bind })
    await stage.send(parts)
    await ended()
    expect([ran, told(parts)]).toEqual([[], ['refused constraint_failed']])
  })

  test('the device is looked at once more after the redeem', async () => {
    let guard = 'closed'
    stage.issuer = (redeem, jws) => {
      guard = 'open'
      return stage.grant(redeem, jws)
    }
    await start(runs, { reports: { devices: [], observe: async () => ({ state: { guard }, address: '10.0.0.1' }) } })
    const parts = await planUnder({ bind })
    await stage.send(parts)
    await ended()
    expect([ran, told(parts)]).toEqual([[], ['refused constraint_failed']])
  })
})

describe('how an action ends', () => {
  test('a failure is told without what was thrown, but for the sentence that was meant for the agent', async () => {
    const secrets = [new Error('password=hunter2'), new ActionFailed('The drive did not come back.')]
    await start(() => {
      throw secrets.shift()
    })
    const plans = [await planOf(stage.plant), await planOf(stage.plant)]
    for (const plan of plans) await stage.send(plan)
    await ended()
    const messages = plans.map((plan) => stage.of(plan).at(-1)?.reason)
    expect(messages).toEqual([
      { code: 'action_failed', message: expect.not.stringContaining('hunter2') },
      { code: 'action_failed', message: 'The drive did not come back.' },
    ])
  })

  test('what policy redacts is gone before the result is hashed and signed', async () => {
    await start(() => ({ value: 7, operator: 'anna', rows: [{ badge: 1 }, { badge: 2 }] }))
    const parts = await planUnder({ redact: ['/operator', '/rows/0/badge', '/nothing/here'] })
    await stage.send(parts)
    await ended()
    const result = { value: 7, rows: [{}, { badge: 2 }] }
    expect(stage.of(parts)[1]).toMatchObject({ state: 'succeeded', result, result_sha256: jsonSha256(result) })
    expect(stage.of(parts)[1]?.result).toEqual(result)
  })

  test('a result over 8 KiB, or none that JSON can say, is a failure that says so', async () => {
    const results: unknown[] = [{ text: 'x'.repeat(9000) }, [1, 2], 'text', { n: 2 ** 60 }]
    await start(() => results.shift() as never)
    for (let n = 0; n < 4; n++) {
      const parts = await planOf(stage.plant)
      await stage.send(parts)
      await ended()
      expect(told(parts)).toEqual(['started', 'failed action_failed'])
    }
  })

  test('one that runs longer than policy says is told to stop, and has failed', async () => {
    await start(untilAborted)
    const parts = await planUnder({ max_run_s: 1 })
    await stage.send(parts)
    await ended()
    expect(told(parts)).toEqual(['started', 'failed timed_out'])
  })

  test('after a failure the rest is not begun where policy says so', async () => {
    await start(({ deviceId }) => {
      ran.push(deviceId)
      if (deviceId === 'd1') throw new Error('no')
      return undefined
    })
    const [stops, goesOn] = [
      await planUnder({ stop_on_failure: true }, {}, ['d1', 'd2']),
      await planUnder({}, {}, ['d1', 'd2']),
    ]
    await stage.send(stops)
    await ended()
    await stage.send(goesOn)
    await ended()
    expect(told(stops)).toEqual(['started', 'failed action_failed', 'aborted stopped'])
    expect(told(goesOn)).toEqual(['started', 'failed action_failed', 'started', 'succeeded'])
    expect(ran).toEqual(['d1', 'd1', 'd2'])
  })

  test.each([
    ['the endorsements of the role that decided', () => ({ scope: 'endorsements', id: 'policy-evaluator' })],
    ['the key that signed the token', () => ({ scope: 'key', id: stage.plant.world.services['token-issuer'].kid })],
  ])('G7: a revoke of %s stops what runs, and the next step does not begin', async (_, named) => {
    await start(untilAborted)
    const parts = await planOf(stage.plant, { devices: ['d1', 'd2'] })
    await stage.send(parts)
    await until(() => ran.length === 1)
    const seq = await stage.control({ command: 'revoke', ...named() })
    await until(() => told(parts).length >= 2)
    await stage.control({ command: 'lift', lifts: seq })
    await ended()
    expect([ran, told(parts).slice(0, 2)]).toEqual([['s0'], ['started', 'aborted revoked']])
  })

  test('G7: a revoke reaches a running action in milliseconds; the operator sees it run, and then stopped', async () => {
    let abortedAt = 0
    await start(({ signal }) => {
      ran.push('began')
      return new Promise((_, reject) => {
        signal.addEventListener('abort', () => {
          abortedAt = performance.now()
          setTimeout(() => reject(signal.reason), 200)
        })
      })
    })
    const parts = await planOf(stage.plant)
    await stage.send(parts)
    await until(() => ran.length === 1)
    const seq = await stage.control({ command: 'revoke', scope: 'group', id: 'hall' })
    const recordedAt = performance.now()
    await ended()
    await stage.control({ command: 'lift', lifts: seq })
    expect(abortedAt - recordedAt).toBeLessThan(250)
    expect(told(parts)).toEqual(['started', 'aborted revoked'])
    await until(() => stage.applied.filter(({ rev }) => rev.seq === seq).length >= 2)
    const running = stage.applied.filter(({ rev }) => rev.seq === seq).map((applied) => applied.running.length)
    expect([running[0], running.at(-1)]).toEqual([1, 0])
  })
})

describe('G12: at most one effect, and never a guess', () => {
  test('the same plan again, also in another signature and after a restart, only tells what came of it', async () => {
    await start()
    const parts = await planOf(stage.plant)
    await stage.send(parts)
    await ended()
    const first = stage.of(parts)
    await stage.send(parts)
    await ended()
    await stop()
    await start()
    await stage.send(parts)
    await ended()
    await stage.send(
      await planOf(stage.plant, {
        intentJws: parts.intent,
        decisionJws: parts.decision,
        plan: { iat: nowSeconds() - 1 },
      }),
    )
    await ended()
    expect(ran).toEqual(['s0 d1'])
    expect(stage.redeems).toHaveLength(1)
    expect(stage.of(parts)).toEqual([...first, ...first, ...first, ...first])
  })

  test('killed between redeem and begin: no effect, and it says so; another use is another try', async () => {
    await stage.ackWait(2)
    const child = spawnGateway('go')
    stage.issuer = async () => {
      await killNow(child)
      return undefined
    }
    const parts = await planUnder({ max_uses: 2 })
    await stage.send(parts)
    await until(() => stage.redeems.length > 0)
    await once(child, 'exit').catch(() => undefined)
    stage.issuer = (redeem, jws) => stage.grant(redeem, jws, { of: 2 })
    await start()
    await until(() => stage.of(parts).length === 1)
    expect([await effects(), told(parts)]).toEqual(['', ['refused interrupted']])
    await until(() => stage.of(parts).length === 3)
    expect([ran, told(parts)]).toEqual([['s0 d1'], ['refused interrupted', 'started', 'succeeded']])
  })

  test('killed while an action runs: it is unknown, and not done again', async () => {
    await stage.ackWait(2)
    const child = spawnGateway('hold')
    const parts = await planOf(stage.plant)
    await stage.send(parts)
    await until(async () => (await effects()) === 's0\n')
    await until(() => stage.of(parts).length === 1)
    await killNow(child)
    await start()
    await until(() => told(parts).includes('unknown interrupted'))
    await ended()
    expect([ran, await effects()]).toEqual([[], 's0\n'])
    // Its start comes again where it was killed before it knew that it was stored.
    expect([...new Set(told(parts))]).toEqual(['started', 'unknown interrupted'])
  })

  test('NATS is away when the action ends: the outcome comes when NATS is back', async () => {
    let finish: () => void = () => undefined
    await start(async () => {
      ran.push('began')
      await new Promise<void>((resolve) => {
        finish = resolve
      })
      return { done: true }
    })
    const parts = await planOf(stage.plant)
    await stage.send(parts)
    await until(() => stage.of(parts).length === 1, 40_000) // A plan that went to a pull of before comes again after `ack_wait`.
    await stage.nats.kill()
    finish()
    await until(() => gateway?.status().outcomesWaiting === 1)
    expect(gateway?.status().connected).toBe(false)
    await stage.nats.start()
    await until(() => stage.of(parts).some(({ state }) => state === 'succeeded'), 30_000)
    expect(ran).toEqual(['began'])
  })

  test('NATS is away when the gateway stops: the next run sends the outcome, the same bytes', async () => {
    let finish: () => void = () => undefined
    await start(async () => {
      await new Promise<void>((resolve) => {
        finish = resolve
      })
      return { done: true }
    })
    const parts = await planOf(stage.plant)
    await stage.send(parts)
    await until(() => stage.of(parts).length === 1, 40_000) // A plan that went to a pull of before comes again after `ack_wait`.
    await stage.nats.kill()
    finish()
    await until(() => gateway?.status().outcomesWaiting === 1, 30_000)
    await stop()
    await stage.nats.start()
    await start()
    await until(() => stage.of(parts).some(({ state }) => state === 'succeeded'), 30_000)
    expect(ran).toEqual([])
  })

  test('a stopped gateway ends what is in hand and begins nothing more', async () => {
    await start(
      async ({ stepId }) => {
        ran.push(stepId)
        await sleep(150)
        return undefined
      },
      { stopWithinMs: 5000 },
    )
    const parts = await planOf(stage.plant, { devices: ['d1', 'd2'] })
    await stage.send(parts)
    await until(() => ran.length === 1)
    await stop()
    expect([ran, told(parts)]).toEqual([['s0'], ['started', 'succeeded']])
    await start()
    await ended()
    expect(ran).toEqual(['s0', 's1 d2'])
  })
})

describe('reports', () => {
  test('what is observed is reported at once, on change, and after an action', async () => {
    let mode = 'idle'
    const observe = async () => ({ state: { mode }, address: '10.0.0.1' })
    const running = await start(
      () => {
        mode = 'running'
        return undefined
      },
      { reports: { devices: ['d1'], observe, pollMs: 60_000 } },
    )
    const reported = async () => (await stage.reports('d1'))?.state['mode']
    await until(async () => (await reported()) === 'idle')
    mode = 'stopped'
    running.deviceChanged('d1')
    await until(async () => (await reported()) === 'stopped')
    await stage.send(await planOf(stage.plant))
    await until(async () => (await reported()) === 'running')
  })
})

describe('G8: what it cannot know it does not do', () => {
  test('a key that others may read, or a directory in use, keeps it from starting', async () => {
    await chmod(files.key, 0o644)
    await expect(startGateway(options(runs))).rejects.toMatchObject({ code: 'unavailable' })
    await chmod(files.key, 0o600)
    await start()
    await expect(startGateway(options(runs))).rejects.toMatchObject({ code: 'unavailable' })
  })

  test.each([
    ['holds less than the enrolment package demands', { stream: 's1', seq: 9999 }],
    ['is another stream than the enrolment package demands', { stream: 's0', seq: 1 }],
  ])('it stands still while CONTROL %s', async (_, control) => {
    await writeFile(
      files.enrolment,
      JSON.stringify({ ...JSON.parse(await readFile(files.enrolment, 'utf8')), control }),
    )
    gateway = await startGateway(options(runs))
    await stage.send(await planOf(stage.plant))
    await until(() => gateway?.status().standingStill?.startsWith('CONTROL') === true)
    await sleep(500)
    expect([ran, stage.outcomes, await stage.plansLeft()]).toEqual([[], [], 1])
  })

  test.each([
    ['less than it held before', (known: { seq: number }) => ({ ...known, seq: known.seq + 1 })],
    ['something else than it held before', (known: { seq: number }) => ({ ...known, digest: jsonSha256('other') })],
  ])('it stands still when CONTROL holds %s', async (_, change) => {
    await start()
    await stop()
    const position = `${files.dir}/state/control.json`
    await writeFile(position, JSON.stringify(change(JSON.parse(await readFile(position, 'utf8')) as { seq: number })))
    gateway = await startGateway(options(runs))
    await stage.send(await planOf(stage.plant))
    await until(() => gateway?.status().standingStill?.startsWith('CONTROL') === true)
    expect([ran, await stage.plansLeft()]).toEqual([[], 1])
  })

  test('G7: while a message of CONTROL is withheld plans wait', async () => {
    await start()
    const missing = await stage.tick()
    const withheld = await stage.plant.world.control({ prev: missing, command: 'revoke', scope: 'agent', id: 'a9' })
    await stage.storeControl(withheld)
    await stage.send(await planOf(stage.plant))
    await until(() => gateway?.status().standingStill?.includes('withheld') === true)
    await sleep(300)
    expect([ran, stage.outcomes, await stage.plansLeft()]).toEqual([[], [], 1])
  })
})
