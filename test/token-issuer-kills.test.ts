import type { ChildProcess } from 'node:child_process'
import {
  type AuditEvent,
  cancelMessage,
  closeRpc,
  issueRpc,
  redeemMessage,
  type Token,
  tokenMessage,
} from '@writ/contracts'
import { digestOf, openMessage, signMessage } from '@writ/keys'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { brokerSteps } from './support/broker-steps.ts'
import { type BusGate, startBusGate } from './support/bus-gate.ts'
import { DecidersStage, killed, until } from './support/deciders-stage.ts'
import { startRedis, type TestRedis } from './support/redis.ts'
import { AUDIENCE, freshId, nowSeconds } from './support/world.ts'

// Between every two steps of the order in which token-issuer works. The built process is killed there with kill -9, and started again
// on what it left behind; whoever got no answer sends the same again.

const WITHIN_MS = 60_000

let stage: DecidersStage
let redis: TestRedis
let gate: BusGate
let child: ChildProcess
const issuer = () => stage.issuerProcess('ti-1', redis.url, gate.url)

beforeAll(async () => {
  stage = await DecidersStage.open()
  redis = await startRedis()
  await stage.evaluator('pe-1')
  gate = await startBusGate(stage.nats.url, brokerSteps)
  child = await issuer()
})
afterAll(async () => {
  await stage?.[Symbol.asyncDispose]()
  await gate?.[Symbol.asyncDispose]()
  await redis?.[Symbol.asyncDispose]()
})

type Place = { readonly before: string } | { readonly after: string }

/** Kills the issuer when it stands there, and starts another on the same directory. `ask` brings it there; what it was answered comes with the steps. */
async function killedAt<A>(
  place: Place,
  ask: () => Promise<A>,
): Promise<{ readonly passed: ReadonlySet<string>; readonly answer: A | undefined }> {
  const reached = 'before' in place ? gate.closeBefore(place.before) : gate.closeAfter(place.after)
  let answer: A | undefined
  ask().then(
    (given) => {
      answer = given
    },
    () => undefined,
  )
  await reached
  await killed(child)
  const passed = new Set(gate.passed)
  gate.open()
  child = await issuer()
  return { passed, answer }
}

function between(before: string, next: string, passed: ReadonlySet<string>): void {
  expect([passed.has(before), passed.has(next)]).toEqual([true, false])
}

/** What the log has of one kind about one plan: at least once, at most once of a process, each event under an id of its own. */
async function recordedOnce(type: AuditEvent['type'], planId: string): Promise<readonly AuditEvent[]> {
  const ofPlan = async () => {
    const byId = new Map<string, AuditEvent>()
    // A message that was not acknowledged comes again, the same bytes.
    for (const event of await stage.audited(type)) {
      if (event.plan_id !== planId) continue
      expect(byId.get(event.event_id) ?? event).toEqual(event)
      byId.set(event.event_id, event)
    }
    return [...byId.values()]
  }
  await until(`the log has ${type}`, async () => (await ofPlan()).length > 0, WITHIN_MS)
  const events = await ofPlan()
  expect(events.length).toBeLessThanOrEqual(2)
  return events
}

describe('G5: at most one token for an intent and gateway, and its record, wherever token-issuer was killed', () => {
  async function issued(place: Place): Promise<ReadonlySet<string>> {
    const { request } = await stage.decided(await stage.intent())
    const ask = () => stage.ask(issueRpc, { gateway_id: 'g1', ...request })
    const { passed, answer } = await killedAt(place, ask)
    const replies = [...(answer === undefined ? [] : [answer]), await ask(), await ask()]
    const tokens = replies.map((reply) => (reply.ok ? reply.token : reply.code))
    expect(new Set(tokens).size).toBe(1)
    const { claims, jws } = openMessage(tokenMessage, tokens[0] ?? '')
    if (passed.has('token kept'))
      expect(await stage.stored('KV_uses', `$KV.uses.${claims.plan_id}.token`)).toContain(jws.compact)
    for (const event of await recordedOnce('token.issued', claims.plan_id))
      expect(event).toMatchObject({ token_id: claims.jti, detail: { token_digest: jws.digest } })
    return passed
  }

  test('before a token is kept', async () => {
    expect(await issued({ before: 'token kept' })).not.toContain('token kept')
  })

  test('between “token kept” and “token.issued”, not even on its disk', async () => {
    const passed = await issued({ after: 'token kept' })
    between('token kept', 'token.issued', passed)
  })

  test('between “token kept” and “token.issued”, on its disk and not in the log', async () => {
    between('token kept', 'token.issued', await issued({ before: 'token.issued' }))
  })

  test('between “token kept” and “token handed out”', async () => {
    between('token kept', 'token handed out', await issued({ before: 'token handed out' }))
  })
})

describe('G4, G12: a use is claimed once, recorded and answered, wherever token-issuer was killed', () => {
  type Held = { token: string; claims: Token }
  const redeemOf = ({ token, claims }: Held): Promise<string> =>
    signMessage(stage.signerOf('g1'), redeemMessage, {
      iss: 'g1',
      aud: AUDIENCE,
      iat: nowSeconds(),
      exp: nowSeconds() + 60,
      jti: freshId('r'),
      token_id: claims.jti,
      token_digest: digestOf(token),
      use_id: `${claims.plan_id}/s0/1`,
    })

  async function redeemed(place: Place): Promise<ReadonlySet<string>> {
    const held = await stage.token()
    const [body, other] = [await redeemOf(held), await redeemOf(held)]
    const { passed, answer } = await killedAt(place, () => stage.redeemed(body))
    expect(answer).toBeUndefined()
    if (passed.has('use claimed')) expect(await stage.redeemed(other)).toBe('token_spent')
    expect([await stage.redeemed(body), await stage.redeemed(body)]).toEqual(['ok', 'ok'])
    expect(await stage.redeemed(other)).toBe('token_spent')
    for (const { documents, detail } of await recordedOnce('token.redeemed', held.claims.plan_id)) {
      expect(documents?.map(({ jws }) => jws)).toEqual([body])
      expect(detail).toMatchObject({ step_id: 's0', use: 1 })
    }
    return passed
  }

  test('before the use is claimed', async () => {
    expect(await redeemed({ before: 'use claimed' })).not.toContain('use claimed')
  })

  test('between “use claimed” and “token.redeemed”, not even on its disk', async () => {
    between('use claimed', 'token.redeemed', await redeemed({ after: 'use claimed' }))
  })

  test.each([
    ['use claimed', 'token.redeemed'],
    ['token.redeemed', 'answered'],
  ])('between “%s” and “%s”', async (before, next) => {
    between(before, next, await redeemed({ before: next }))
  })

  test('after “token.redeemed”, before it could know that', async () => {
    between('token.redeemed', 'answered', await redeemed({ after: 'token.redeemed' }))
  })
})

describe('G12: a cancelled plan is closed step by step, wherever token-issuer was killed', () => {
  test('between “use of s0 claimed” and “use of s1 claimed”', async () => {
    const { claims, intent } = await stage.token({ targets: ['d1', 'd2'] })
    const cancel = await signMessage(stage.signerOf('a1'), cancelMessage, {
      iss: 'a1',
      aud: AUDIENCE,
      iat: nowSeconds(),
      exp: nowSeconds() + 60,
      jti: freshId('x'),
      intent_digest: digestOf(intent),
    })
    const ask = () => stage.ask(closeRpc, { intent, gateways: ['g1'], why: 'cancelled', cancel })
    const { passed } = await killedAt({ before: 'use of s1 claimed' }, ask)
    between('use of s0 claimed', 'use of s1 claimed', passed)
    const steps = ['s0', 's1'].map((step_id) => ({ step_id, redeemed: 0 }))
    for (const reply of [await ask(), await ask()])
      expect(reply).toEqual({ ok: true, plans: [{ plan_id: claims.plan_id, gateway_id: 'g1', steps }] })
  })
})
