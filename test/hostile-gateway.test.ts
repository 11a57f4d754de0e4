import { rm } from 'node:fs/promises'
import type { AuditEvent, Outcome, Plan } from '@writ/contracts'
import { type ActionHandler, type Gateway, startGateway } from '@writ/gateway-sdk'
import { requestDigest } from '@writ/keys'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openStage, type Stage, until } from './support/gateway-stage.ts'
import { claimsOf, Forge } from './support/hostile-gateway.ts'
import { type HostilePlan, hostilePlans } from './support/hostile-gateway-plans.ts'
import { PLAN_RULES } from './support/hostile-gateway-rules.ts'

// A gateway made with the SDK, over a real nats-server, against somebody who holds real keys of every role but the one that he
// would need. Each row is a plan that must move nothing, and says which rule of CONTRACT stops it.

let stage: Stage
let forge: Forge
let gateway: Gateway
let files: Awaited<ReturnType<Stage['enrol']>>
const ran: string[] = []
const waited: { code: string; plan_digest: string }[] = []

const runs: ActionHandler = ({ deviceId, stepId, intentId }) => {
  ran.push(`${intentId} ${stepId} ${deviceId}`)
  return undefined
}

beforeAll(async () => {
  stage = await openStage()
  forge = await Forge.open(stage.plant)
  files = await stage.enrol()
  gateway = await startGateway({
    enrolment: files.enrolment,
    key: files.key,
    stateDir: `${files.dir}/state`,
    actions: { restart: runs, 'telemetry-read': runs },
    log: {
      info: () => undefined,
      error: () => undefined,
      warn: (fields, message) => {
        const { err, plan_digest } = fields as { err: { code: string }; plan_digest: string }
        if (message === 'A plan waits.') waited.push({ code: err.code, plan_digest })
      },
    },
  })
  await gateway.ready
})
afterAll(async () => {
  await gateway?.[Symbol.asyncDispose]()
  await stage?.[Symbol.asyncDispose]()
  if (files !== undefined) await rm(files.dir, { recursive: true, force: true })
})

const ended = () => until(async () => (await stage.plansLeft()) === 0, 60_000)
const digestOfBody = (plan: string) => requestDigest(Buffer.from(plan))
const wordOf = ({ state, reason }: Outcome) => (reason === undefined ? state : `${state} ${reason.code}`)

interface Judged {
  readonly row: HostilePlan
  readonly plan: string
  readonly recorded: readonly AuditEvent[]
  readonly told: readonly Outcome[]
}

/** Sends each, and says what the gateway has recorded and told of it. */
async function judge(rows: readonly HostilePlan[]): Promise<Judged[]> {
  const plans: { readonly row: HostilePlan; readonly plan: string }[] = []
  for (const row of rows) plans.push({ row, plan: await forged(row) })
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

describe('G1: nothing that lacks one rightful signature moves a device', () => {
  test('every rule by which a plan is judged is tried', () => {
    const tried = new Set(hostilePlans().map(({ rule }) => rule))
    expect(PLAN_RULES.filter((rule) => !tried.has(rule))).toEqual([])
  })

  test('each plan is refused with its own code, recorded once, told where its sender may know, and nothing is asked or done', async () => {
    const judged = await judge(hostilePlans())
    expect(Object.assign({}, ...judged.map(verdict))).toEqual(Object.assign({}, ...judged.map(expected)))
    expect([ran, stage.redeems]).toEqual([[], []])
  })
})
