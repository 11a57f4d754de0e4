import { rm } from 'node:fs/promises'
import { type AuditEvent, type Outcome, type Plan, REASON_CODES, type ReasonCode } from '@writ/contracts'
import { type ActionHandler, type Gateway, startGateway } from '@writ/gateway-sdk'
import { requestDigest } from '@writ/keys'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PlanJournal } from '../packages/gateway-sdk/src/journal/plan-journal.ts'
import { openStage, type Stage, until } from './support/gateway-stage.ts'
import { claimsOf, Forge } from './support/hostile-gateway.ts'
import { HOSTILE_ANSWERS } from './support/hostile-gateway-answers.ts'
import { type HostilePlan, hostilePlans } from './support/hostile-gateway-plans.ts'
import { PLAN_RULES } from './support/hostile-gateway-rules.ts'
import { COSIGNED, REVOKED, VOID_WORDS, WAITING } from './support/hostile-gateway-words.ts'
import { nowSeconds } from './support/world.ts'

// A gateway made with the SDK, over a real nats-server, against somebody who holds real keys of every role but the one that he
// would need. Each row is a plan that must move nothing, and says which rule of CONTRACT stops it.

let stage: Stage
let forge: Forge
let gateway: Gateway
let files: Awaited<ReturnType<Stage['enrol']>>
const ran: string[] = []

const runs: ActionHandler = ({ deviceId, stepId, intentId }) => {
  ran.push(`${intentId} ${stepId} ${deviceId}`)
  return undefined
}

beforeAll(async () => {
  stage = await openStage()
  forge = await Forge.open(stage.plant)
  files = await stage.enrol()
  await start()
})
afterAll(async () => {
  await gateway?.[Symbol.asyncDispose]()
  await stage?.[Symbol.asyncDispose]()
  if (files !== undefined) await rm(files.dir, { recursive: true, force: true })
})

async function start(): Promise<void> {
  gateway = await startGateway({
    enrolment: files.enrolment,
    key: files.key,
    stateDir: `${files.dir}/state`,
    actions: { restart: runs, 'telemetry-read': runs },
  })
  await gateway.ready
}

const ended = () => until(async () => (await stage.plansLeft()) === 0, 180_000)
const digestOfBody = (plan: string) => requestDigest(Buffer.from(plan))
const wordOf = ({ state, reason }: Outcome) => (reason === undefined ? state : `${state} ${reason.code}`)

interface Judged {
  readonly row: HostilePlan
  readonly plan: string
  readonly recorded: readonly AuditEvent[]
  readonly told: readonly Outcome[]
}

/** Sends each, and says what the gateway has recorded and told of it. */
async function judge(): Promise<Judged[]> {
  forge.now = nowSeconds()
  const rows = hostilePlans()
  const plans: { readonly row: HostilePlan; readonly plan: string }[] = []
  for (const row of rows) plans.push({ row, plan: await forged(row) })
  forge.now = undefined
  for (const { plan } of plans) await stage.send({ plan })
  await ended()
  const events = await stage.auditEvents()
  return plans.map(({ row, plan }) => ({
    ...{ row, plan },
    recorded: events.filter(({ detail }) => detail?.['plan_digest'] === digestOfBody(plan)),
    told: stage.outcomes.filter(({ plan_id }) => plan_id === planIdIn(plan)),
  }))
}

async function forged(row: HostilePlan): Promise<string> {
  const plan = await row.forge(forge).catch((error: unknown) => {
    throw new Error(`${row.name}: ${String(error)}`, { cause: error })
  })
  try {
    forge.assertLacked(row.lacks, plan)
  } catch (error) {
    throw new Error(`${row.name}: ${String(error)}`, { cause: error })
  }
  return plan
}

function planIdIn(plan: string): string | undefined {
  try {
    return claimsOf<Plan>(plan).plan_id
  } catch {
    return undefined
  }
}

/** What is said of one plan: its code in the log, and the outcomes of its steps. */
const verdict = ({ row, plan, recorded, told }: Judged) => ({
  [`${row.rule}: ${row.name}`]: {
    recorded: recorded.map(({ type, status, reasons }) => [type, status, ...(reasons ?? [])].join(' ')),
    told: told.map(wordOf),
    steps: row.told ? claimsOf<Plan>(plan).steps.length : 0,
  },
})
const expected = ({ row, plan }: Judged) => {
  const steps = row.told ? claimsOf<Plan>(plan).steps : []
  const ids = new Set(steps.map(({ step_id }) => step_id))
  return {
    [`${row.rule}: ${row.name}`]: {
      recorded: [`action.refused denied ${row.code}`],
      told: [...ids].map(() => `refused ${row.code}`),
      steps: steps.length,
    },
  }
}

/** Codes of CONTRACT section 7 that a gateway does not say of what it is given, and who does. */
const ELSEWHERE: readonly ReasonCode[] = [
  // Policy: here it is a decision that does not allow. Intake of intents and of commands.
  ...(['params_out_of_bounds', 'rate_limited', 'wrong_version'] as const),
  // How an action ended that was begun, or a gateway that was killed: gateway-sdk.test.ts and hostile-gateway-kills.test.ts.
  ...(['action_failed', 'timed_out', 'stopped', 'interrupted', 'internal'] as const),
]

describe('G1: nothing that lacks one rightful signature moves a device', () => {
  test('every rule by which a plan is judged is tried', () => {
    const tried = new Set(hostilePlans().map(({ rule }) => rule))
    expect(PLAN_RULES.filter((rule) => !tried.has(rule))).toEqual([])
  })

  test('every code is the word of some row, here or among the answers and words, or is said elsewhere', () => {
    const rows = [hostilePlans(), HOSTILE_ANSWERS, VOID_WORDS, REVOKED, WAITING, COSIGNED].flat()
    const said = new Set<string>([...rows.map(({ code }) => code), ...ELSEWHERE])
    expect(REASON_CODES.filter((code) => !said.has(code))).toEqual([])
  })

  test('the good chain that each row differs from is done, once, whatever a service adds to what it signs', async () => {
    const more = { claims: { more: { of: 'no concern' } }, rightful: true } as const
    const chains = [
      await forge.chain(),
      await forge.chain({ rich: true }),
      await forge.chain({ rich: true, shown: more, attestations: [more], decision: more, token: more, plan: more }),
    ]
    for (const chain of chains) await stage.send(chain)
    await ended()
    expect(chains.map((chain) => stage.of(chain).map(wordOf))).toEqual(chains.map(() => ['started', 'succeeded']))
    expect(ran.splice(0)).toHaveLength(3)
    await stage.clear()
  })

  test('each plan is refused with its own code, recorded once, told where its sender may know, and nothing is asked or done', {
    timeout: 240_000,
  }, async () => {
    const judged = await judge()
    expect(Object.assign({}, ...judged.map(verdict))).toEqual(Object.assign({}, ...judged.map(expected)))
    expect([ran, stage.redeems]).toEqual([[], []])
    await stage.clear()
  })
})

describe('G12: what was said of a forged plan is not taken for the good one’s', () => {
  test('a signature turned into its other form is the same plan, and has no second effect', async () => {
    const chain = await forge.chain()
    const turned = { ...chain, plan: flipped(chain.plan) }
    await stage.send(chain)
    await ended()
    await stage.send(turned)
    await ended()
    const inside = await forge.chain({
      intent: flipped(chain.intent),
      decision: flipped(chain.decision),
      token: flipped(chain.token),
    })
    await stage.send(inside)
    await ended()
    expect([ran.splice(0).length, stage.redeems.length]).toEqual([1, 1])
    expect(stage.of(chain).map(wordOf)).toEqual([1, 2, 3].flatMap(() => ['started', 'succeeded']))
    await stage.clear()
  })

  test('a plan that was cut, refused, and then comes whole: what was refused stays refused, the rest is done where it belongs', async () => {
    const whole = await forge.chain({ devices: ['d1', 'd2'] })
    const cut = { steps: [{ step_id: 's0', device_id: 'd-read' }] }
    const { plan } = await forge.chain({
      ...whole,
      devices: ['d1', 'd2'],
      approvals: [],
      attestations: [],
      plan: { claims: cut },
    })
    await stage.send({ plan })
    await ended()
    await stage.send(whole)
    await ended()
    const said = stage.of(whole).map((outcome) => `${outcome.step_id} ${outcome.device_id} ${wordOf(outcome)}`)
    expect([said[0], ...new Set(said.slice(1))]).toEqual([
      's0 d-read refused unknown_device',
      's1 d2 started',
      's1 d2 succeeded',
    ])
    expect(ran.splice(0)).toEqual([expect.stringContaining('s1 d2')])
    await stage.clear()
  })

  test('killed before it had refused a forged plan: the good one is done on its own device', async () => {
    const chain = await forge.chain()
    const { plan_id } = claimsOf<Plan>(chain.plan)
    await gateway[Symbol.asyncDispose]()
    const journal = await PlanJournal.open(`${files.dir}/state/plans.journal`)
    const token = claimsOf<{ jti: string }>(chain.token)
    const facts = {
      plan_id,
      plan_digest: 'forged',
      agent_id: 'a1',
      token_id: token.jti,
      action: 'restart',
      max_uses: 1,
    }
    const { intent_digest, exp } = claimsOf<{ intent_digest: string; exp: number }>(chain.token)
    await journal.takeOn({ ...facts, intent_digest, exp, steps: [{ step_id: 's0', device_id: 'd-read' }] })
    await journal[Symbol.asyncDispose]()
    await start()
    await stage.send(chain)
    await ended()
    expect(ran.splice(0)).toEqual([expect.stringContaining('s0 d1')])
    expect(stage.of(chain).map(({ device_id, state }) => `${device_id} ${state}`)).toEqual([
      'd1 started',
      'd1 succeeded',
    ])
  })
})

/** The ES256 signature (r, n − s) of the same bytes. */
function flipped(jws: string): string {
  const order = BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551')
  const [header, payload, signature = ''] = jws.split('.')
  const bytes = Buffer.from(signature, 'base64url')
  const other = (order - BigInt(`0x${bytes.subarray(32).toString('hex')}`)).toString(16).padStart(64, '0')
  return [
    header,
    payload,
    Buffer.concat([bytes.subarray(0, 32), Buffer.from(other, 'hex')]).toString('base64url'),
  ].join('.')
}
