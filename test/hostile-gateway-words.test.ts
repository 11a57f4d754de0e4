import { rm } from 'node:fs/promises'
import type { Bus } from '@writ/bus'
import { type Outcome, type Plan, subjects } from '@writ/contracts'
import { type Gateway, startGateway } from '@writ/gateway-sdk'
import { requestDigest, sha256 } from '@writ/keys'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openStage, type Stage, until } from './support/gateway-stage.ts'
import { Forge, type Forged, type Part } from './support/hostile-gateway.ts'
import { WORD_RULES } from './support/hostile-gateway-rules.ts'
import { COSIGNED, cosigned, lift, REVOKED, VOID_WORDS, WAITING } from './support/hostile-gateway-words.ts'
import { REGION } from './support/world.ts'

const at = subjects(REGION)
let stage: Stage
let forge: Forge
const operators = new Map<string, Bus>()
let files: Awaited<ReturnType<Stage['enrol']>>
let gateway: Gateway | undefined
const ran: string[] = []
const waited = new Map<string, string>()

beforeAll(async () => {
  stage = await openStage()
  forge = await Forge.open(stage.plant)
  for (const id of ['root', 'op2', 'op3', 'op9', 'op-gone']) operators.set(id, await stage.connect('operator', id))
  await operator('op2')
  await operator('op-gone')
  await operator('op3', 'op2')
  await stored(await word({ command: 'revoke', scope: 'key', id: forge.signer('operator/op-gone').kid }))
})
beforeEach(async () => {
  files = await stage.enrol()
})
afterEach(async () => {
  await gateway?.[Symbol.asyncDispose]()
  gateway = undefined
  await stage.clear()
  ran.length = 0
  await rm(files.dir, { recursive: true, force: true })
})
afterAll(() => stage?.[Symbol.asyncDispose]())

async function start(): Promise<void> {
  gateway = await startGateway({
    ...{ enrolment: files.enrolment, key: files.key, stateDir: `${files.dir}/state`, plansInFlightMax: 64 },
    actions: { restart: ({ intentId }) => void ran.push(intentId) },
    log: {
      info: () => undefined,
      error: () => undefined,
      warn: (fields, message) => {
        const { err, plan_digest } = fields as { err: { code: string }; plan_digest: string }
        if (message === 'A plan waits.') waited.set(plan_digest, err.code)
      },
    },
  })
  await gateway.ready
}

/** Files an operator's record, signed by root or by another operator. */
async function operator(id: string, by = 'root'): Promise<void> {
  const { world, authority } = stage.plant
  const record = { keys: [forge.signer(`operator/${id}`).jwk], user: `user-${id}` }
  const value = await world.file('operator', id, record, { iss: by, by: forge.signer(`operator/${by}`) })
  await stage.intentGateway.store(at.registry('operator', id), value, { stream: 'SIGNERS' })
  authority.trust.apply({ kind: 'operator', id, data: Buffer.from(value) })
}

const word = (claims: object) => stage.plant.world.control({ prev: stage.plant.authority.control.seq, ...claims })

/** Stores a message in CONTROL, and applies it to the stage's own view as everybody does. */
async function stored(message: string, id = 'root', ttlSeconds?: number): Promise<number> {
  const ttl = ttlSeconds === undefined ? {} : { ttlSeconds }
  const { seq } = (await operators.get(id)?.store(at.control(id), message, { stream: 'CONTROL', ...ttl })) ?? { seq: 0 }
  const data = Buffer.from(message)
  stage.plant.authority.control.apply({ operatorId: id, seq, data, ttl: ttlSeconds !== undefined })
  return seq
}

const wordOf = ({ state, reason }: Outcome) => (reason === undefined ? state : `${state} ${reason.code}`)
/** The same plan in other bytes. */
const again = (chain: Forged) =>
  forge.remade(chain.plan, forge.signer('intent-gateway'), {
    claims: (good: Plan) => ({ exp: good.exp - 1 }),
  } as Exclude<Part, string>)

async function sent(chain: Forged): Promise<string[]> {
  await stage.send(chain)
  await until(async () => (await stage.plansLeft()) === 0)
  return stage.of(chain).map(wordOf)
}

describe('G7: only an operator withdraws, and only an operator gives back', () => {
  test('every rule about CONTROL and SIGNERS is tried', () => {
    const tried = new Set<string>([...VOID_WORDS, ...WAITING].map(({ rule }) => rule))
    const here: readonly string[] = [
      'control: a lift revives no older token',
      'control: what a standing revoke names is refused',
      'record: two operators where the enrolment says so',
    ]
    expect(WORD_RULES.filter((rule) => !tried.has(rule) && !here.includes(rule))).toEqual([])
  })

  test('while a revoke stands, no forged, swapped, old or vanishing lift gives anything back, and each is recorded as void', async () => {
    const first = await stored(await word({ command: 'revoke', scope: 'agent', id: 'a2' }))
    const earlier = await lift(stage.plant.authority.control.seq, first, stage.plant.world.root)
    await stored(earlier)
    await start()
    const stands = await stored(await word({ command: 'revoke', scope: 'agent', id: 'a1' }))
    const said: Record<string, unknown> = {}
    for (const { name, rule, word: forged, under, ttlSeconds } of VOID_WORDS) {
      const { control } = stage.plant.authority
      const message = await forged({ forge, prev: control.seq, stands, earlier })
      await stored(message, under, ttlSeconds)
      const told = await sent(await forge.chain())
      const voids = async () =>
        (await stage.auditEvents()).filter(
          ({ type, detail }) => type === 'control.void' && detail?.['seq'] === control.storedSeq,
        )
      await until(async () => (await voids()).length > 0)
      const [event] = await voids()
      said[`${rule}: ${name}`] = [told, event?.reasons, event?.detail?.['digest'] === sha256(Buffer.from(message))]
    }
    const wanted = VOID_WORDS.map(({ rule, name, code }) => [`${rule}: ${name}`, [['refused revoked'], [code], true]])
    expect(said).toEqual(Object.fromEntries(wanted))
    expect([ran, stage.redeems]).toEqual([[], []])
    await stored(await word({ command: 'lift', lifts: stands }))
    expect(await sent(await forge.chain())).toEqual(['started', 'succeeded'])
  })

  test.each(REVOKED)(
    'a revoke of $name: refused while it stands, the older token dead when it is lifted, a new one good',
    async ({ revoke, code, names, told: isTold }) => {
      await start()
      const [before, another] = [await forge.chain({ rich: true }), await forge.chain({ rich: true })]
      const named = revoke(forge, before)
      const seq = await stored(await word({ command: 'revoke', ...named }))
      const standing = await sent(before)
      await stored(await word({ command: 'lift', lifts: seq }))
      const lifted = await sent(names === 'one plan' ? { ...before, plan: await again(before) } : another)
      const dead = code === 'quarantined' ? code : 'revoked'
      expect([standing, lifted.slice(-1), ran]).toEqual([isTold ? [`refused ${code}`] : [], [`refused ${dead}`], []])
      expect(await sent(await forge.chain({ rich: true }))).toEqual(['started', 'succeeded'])
    },
  )
})

describe('G1, G3: what SIGNERS does not hold up is believed by nobody', () => {
  test('a plan whose signer has no such endorsement or record waits, untold and unrecorded, and nothing is done', async () => {
    await start()
    const file = async (kid: string, value: string) => {
      await stage.intentGateway.store(at.registry('key', kid), value, { stream: 'SIGNERS' })
    }
    const plans: { name: string; code: string; plan: string; digest: string }[] = []
    for (const row of WAITING) {
      const { plan } = await forge.chain(await row.forge(forge, file))
      forge.assertLacked(row.lacks, plan)
      plans.push({ name: `${row.rule}: ${row.name}`, code: row.code, plan, digest: requestDigest(Buffer.from(plan)) })
    }
    for (const { plan } of plans) await stage.send({ plan })
    await until(() => plans.every(({ digest }) => waited.has(digest)), 30_000)
    const said = plans.map(({ name, digest }) => [name, waited.get(digest)])
    expect(said).toEqual(plans.map(({ name, code }) => [name, code]))
    const digests = new Set(plans.map(({ digest }) => digest))
    const events = (await stage.auditEvents()).filter(({ detail }) => digests.has(String(detail?.['plan_digest'])))
    expect([events, stage.outcomes, stage.redeems, ran]).toEqual([[], [], [], []])
    expect(await stage.plansLeft()).toBe(plans.length)
  })

  test('where the enrolment demands two operators, a record of one alone is none', async () => {
    await rm(files.dir, { recursive: true, force: true })
    files = await stage.enrol({ trust: { ...stage.plant.world.trust, two_person: ['device'] } })
    await start()
    const said: unknown[] = []
    const withDevice = (value: string) =>
      forge.chain({ records: ([agent = '', , policy = '']) => [agent, value, policy] })
    for (const { name, value } of COSIGNED) said.push([name, ...(await sent(await withDevice(await value(forge))))])
    expect(said).toEqual(COSIGNED.map(({ name, code }) => [name, `refused ${code}`]))
    expect(ran).toEqual([])
    expect(await sent(await withDevice(await cosigned(forge)))).toEqual(['started', 'succeeded'])
  })
})
