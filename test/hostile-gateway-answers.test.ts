import { rm } from 'node:fs/promises'
import { type Outcome, type Plan, subjects } from '@writ/contracts'
import { type Gateway, type GatewayOptions, startGateway } from '@writ/gateway-sdk'
import { ephemeralSigner, type Signer } from '@writ/keys'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { openStage, type Stage, until } from './support/gateway-stage.ts'
import { claimsOf, Forge } from './support/hostile-gateway.ts'
import {
  type Asked,
  HOSTILE_ANSWERS,
  HOSTILE_NOES,
  type HostileAnswer,
  yes,
} from './support/hostile-gateway-answers.ts'
import { REDEEM_RULES } from './support/hostile-gateway-rules.ts'
import { nowSeconds, OBLIGATIONS, REGION } from './support/world.ts'

let stage: Stage
let forge: Forge
let ended: Signer
let files: Awaited<ReturnType<Stage['enrol']>>
let gateway: Gateway | undefined
const ran: string[] = []

beforeAll(async () => {
  stage = await openStage()
  forge = await Forge.open(stage.plant)
  ended = ephemeralSigner()
  const endorsement = { signer: ended, iat: nowSeconds() - 600, exp: nowSeconds() - 1 }
  const value = await stage.plant.world.endorse('token-issuer', endorsement)
  await stage.intentGateway.store(subjects(REGION).registry('key', ended.kid), value, { stream: 'SIGNERS' })
  files = await stage.enrol()
  await start()
})
afterEach(() => {
  ran.length = 0
  return stage.clear()
})
afterAll(async () => {
  await gateway?.[Symbol.asyncDispose]()
  await stage?.[Symbol.asyncDispose]()
  if (files !== undefined) await rm(files.dir, { recursive: true, force: true })
})

async function start(stateDir = `${files.dir}/state`): Promise<void> {
  const options: GatewayOptions = {
    ...{ enrolment: files.enrolment, key: files.key, stateDir, plansInFlightMax: 128 },
    actions: { restart: ({ deviceId }) => void ran.push(deviceId) },
  }
  gateway = await startGateway(options)
  await gateway.ready
}

async function stop(): Promise<void> {
  await gateway?.[Symbol.asyncDispose]()
  gateway = undefined
}

const handled = () => until(async () => (await stage.plansLeft()) === 0, 30_000)
const wordOf = ({ state, reason }: Outcome) => (reason === undefined ? state : `${state} ${reason.code}`)
const told = (plan: string) => stage.of({ intent: '', decision: '', token: '', plan }).map(wordOf)

/** Each plan on a device of its own, so that none waits for another; `answer` gets the row of the plan that asks. */
async function askAll<R>(
  rows: readonly R[],
  answer: (row: R, asked: Asked, times: number) => Promise<string> | string,
): Promise<readonly { readonly row: R; readonly plan: string; readonly device: string }[]> {
  const otherYes = await aYes()
  const times = new Map<string, number>()
  const byPlan = new Map<string, R>()
  const plans: { readonly row: R; readonly plan: string; readonly device: string }[] = []
  for (const [index, row] of rows.entries()) {
    const device = `x${index}`
    const record = { gateway_id: 'g1', group: 'hall', jurisdiction: REGION, actions: ['restart'] }
    await stage.plant.file('device', device, record)
    const { plan } = await forge.chain({ devices: [device] })
    byPlan.set(claimsOf<Plan>(plan).plan_id, row)
    plans.push({ row, plan, device })
  }
  stage.issuer = (redeem, jws) => {
    const planId = redeem.use_id.split('/')[0] ?? ''
    times.set(planId, (times.get(planId) ?? 0) + 1)
    return answer(byPlan.get(planId) as R, { forge, redeem, jws, otherYes, ended }, times.get(planId) ?? 0)
  }
  for (const { plan } of plans) await stage.send({ plan })
  await handled()
  return plans
}

/** A yes that was given to a plan that was done. */
async function aYes(): Promise<string> {
  let given = ''
  stage.issuer = async (redeem, jws) => {
    given = await yes({ forge, redeem, jws, otherYes: '', ended })
    return given
  }
  await stage.send(await forge.chain())
  await handled()
  expect(ran.splice(0)).toEqual(['d1'])
  return given
}

describe('G3, G4, G12: only token-issuer’s own yes to this very redeem begins a step', () => {
  test('every rule about an answer is tried', () => {
    const tried = new Set(HOSTILE_ANSWERS.map(({ rule }) => rule))
    expect(REDEEM_RULES.filter((rule) => !tried.has(rule))).toEqual([])
  })

  test('an answer that is none begins nothing, and each no stops its step with its own code', async () => {
    const plans = await askAll(HOSTILE_ANSWERS, (row: HostileAnswer, asked) => row.answer(asked))
    const said = Object.fromEntries(plans.map(({ row, plan }) => [`${row.rule}: ${row.name}`, told(plan)]))
    const wanted = plans.map(({ row }) => [`${row.rule}: ${row.name}`, [`refused ${row.code}`]])
    expect(said).toEqual(Object.fromEntries(wanted))
    expect(ran).toEqual([])
    const recorded = async () => {
      const events = (await stage.auditEvents()).filter(({ type }) => type === 'action.refused')
      return plans.map(({ plan }) =>
        events.filter(({ plan_id }) => plan_id === claimsOf<Plan>(plan).plan_id).map(({ reasons }) => reasons?.[0]),
      )
    }
    await until(async () => (await recorded()).every((codes) => codes.length > 0))
    expect(await recorded()).toEqual(plans.map(({ row }) => [row.code]))
  })

  test('a no that is not token-issuer’s about this redeem stops nothing: the yes behind it counts', async () => {
    const plans = await askAll(HOSTILE_NOES, ([, answer], asked, times) => (times === 1 ? answer(asked) : yes(asked)))
    const said = plans.map(({ row: [name], plan }) => [name, ...told(plan)])
    expect(said).toEqual(HOSTILE_NOES.map(([name]) => [name, 'started', 'succeeded']))
    expect(ran.toSorted()).toEqual(plans.map(({ device }) => device).toSorted())
  })

  test('the yes to an earlier use is none to the next', async () => {
    const { plan } = await forge.chain({
      decision: { claims: { obligations: { ...OBLIGATIONS, max_uses: 2 } }, rightful: true },
      token: { claims: { max_uses: 2 }, rightful: true },
    })
    let given: string | undefined
    stage.issuer = async (redeem, jws) => {
      if (redeem.use_id.endsWith('/2')) return given
      given ??= await yes({ forge, redeem, jws, otherYes: '', ended }, { of: 2 })
      return undefined
    }
    await stage.send({ plan })
    await handled()
    expect([ran, told(plan)]).toEqual([[], ['refused too_late', 'refused too_late']])
  })

  test('a plan that was done, given to a gateway that has lost its journal, is for token-issuer to refuse', async () => {
    const { plan } = await forge.chain()
    await stage.send({ plan })
    await handled()
    expect(ran.splice(0)).toEqual(['d1'])
    await stop()
    stage.issuer = (_, jws) => stage.refuse(jws, 'token_spent')
    await start(`${files.dir}/another`)
    await stage.send({ plan })
    await handled()
    expect([ran, told(plan)]).toEqual([[], ['started', 'succeeded', 'refused token_spent']])
  })
})
