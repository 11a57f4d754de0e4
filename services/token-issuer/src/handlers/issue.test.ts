import { planIdOf } from '@writ/authority'
import type { Token } from '@writ/contracts'
import { digestOf, parseJws } from '@writ/keys'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { createSmallPlant, nowSeconds, type SmallPlant } from '../../../../test/support/world.ts'
import { RecentSet } from '../core/recent-set.ts'
import { formatValue, tokenKey } from '../core/uses.ts'
import { ALLOW, type Asked, always, asked, codeOf, DENY } from '../testing/decisions.ts'
import { createIssuer, MemoryUses } from '../testing/issuer.ts'
import { issue } from './issue.ts'

let plant: SmallPlant
let uses: MemoryUses
beforeEach(async () => {
  plant = await createSmallPlant()
  uses = new MemoryUses()
})

let tokens = 0
function replica(own = ALLOW) {
  const issuer = createIssuer(plant, { uses })
  const handler = issue({
    ...issuer.deps,
    evaluators: { get: async () => always(own) },
    catchUp: async () => undefined,
    recorded: new RecentSet(10),
    recording: new Map(),
    newId: () => `t${tokens++}`,
  })
  /** The token, or the code of the no. */
  const issued = async (request: Asked): Promise<string> => {
    let token = ''
    const code = await codeOf(async () => {
      const reply = await handler(request)
      if (reply.ok) token = reply.token
      else throw Object.assign(new Error('no'), reply)
    })
    return token === '' ? code : token
  }
  return { ...issuer, issued }
}
const claimsOf = (token: string) => parseJws(token, 50_000).payload as unknown as Token

describe('at most one token for an intent and gateway', () => {
  test('the same bytes for everybody who asks again, also at another replica and after a new decision', async () => {
    const request = await asked(plant)
    const token = await replica().issued(request)
    expect(claimsOf(token)).toMatchObject({ aud: 'g1', decision_digest: digestOf(request.decision) })
    expect(await replica().issued(request)).toBe(token)
    expect(await replica(DENY).issued(request)).toBe(token)
  })

  test('two replicas that mint at once hand out one token', async () => {
    const request = await asked(plant)
    const [one, two] = await Promise.all([replica().issued(request), replica().issued(request)])
    expect(one).toBe(two)
  })

  test('two that ask one replica at once, before its record is kept: one token, recorded once', async () => {
    const request = await asked(plant)
    const issuer = replica()
    let written: () => void = () => undefined
    issuer.audit.disk = new Promise((resolve) => {
      written = resolve
    })
    const first = issuer.issued(request)
    await vi.waitFor(() => expect(uses.values.size).toBe(1))
    const kept = vi.spyOn(uses, 'get')
    const second = issuer.issued(request)
    await vi.waitFor(() => expect(kept).toHaveBeenCalled())
    await new Promise(setImmediate)
    written()
    expect(await second).toBe(await first)
    expect(issuer.audit.count('token.issued')).toBe(1)
  })

  test('each gateway of an intent has its own', async () => {
    const request = await asked(plant, { intent: { targets: ['d1', 'd3'] } })
    const issuer = replica()
    const [one, two] = [await issuer.issued(request), await issuer.issued({ ...request, gateway_id: 'g2' })]
    expect([claimsOf(one).aud, claimsOf(two).aud]).toEqual(['g1', 'g2'])
  })

  test('a token whose keeping was reported lost is the one that is handed out', async () => {
    const request = await asked(plant)
    const issuer = replica()
    uses.fail.push('reported lost')
    expect(await issuer.issued(request)).toBe('unavailable')
    const token = await issuer.issued(request)
    expect(claimsOf(token).aud).toBe('g1')
    expect(issuer.audit.count('token.issued')).toBe(1)
  })

  test('none for a plan that was closed first', async () => {
    const request = await asked(plant)
    uses.values.set(tokenKey(planIdOf(digestOf(request.intent), 'g1')), formatValue({ closed: 'cancelled' }))
    expect(await replica().issued(request)).toBe('cancelled')
  })
})

describe('no token', () => {
  test('G3: where this issuer denies what the evaluator allowed', async () => {
    const issuer = replica(DENY)
    expect(await issuer.issued(await asked(plant))).toBe('again')
    expect(uses.values.size).toBe(0)
  })

  test('G7: while this issuer may be stale, or a revoke stands, or CONTROL cannot be relied on', async () => {
    const issuer = replica()
    const request = await asked(plant)
    issuer.monotonic.nowMs = 3000
    expect(await issuer.issued(request)).toBe('unavailable')
    issuer.freshness.acknowledged(3000)
    await plant.applyControl({ command: 'revoke', scope: 'gateway', id: 'g1' })
    expect(await issuer.issued(request)).toBe('revoked')
    await plant.applyControl({ command: 'lift', lifts: plant.authority.control.seq })
    expect(claimsOf(await issuer.issued(request)).rev).toEqual(plant.authority.control.rev)
  })

  test('from what is kept, once it has been revoked', async () => {
    const request = await asked(plant)
    const token = await replica().issued(request)
    await plant.applyControl({ command: 'revoke', scope: 'token', id: claimsOf(token).jti })
    expect(await replica().issued(request)).toBe('revoked')
  })

  test('G5: nobody has it before its record is on the disk: a process killed then has handed nothing out', async () => {
    const issuer = replica()
    let written: () => void = () => undefined
    issuer.audit.disk = new Promise((resolve) => {
      written = resolve
    })
    let had = ''
    const issuing = issuer.issued(await asked(plant)).then((token) => {
      had = token
    })
    await vi.waitFor(() => expect(uses.values.size).toBe(1))
    await Promise.race([issuing, new Promise(setImmediate)])
    expect([had, issuer.audit.count('token.issued')]).toEqual(['', 0])
    written()
    await issuing
    expect(issuer.audit.count('token.issued')).toBe(1)
    expect(claimsOf(had).aud).toBe('g1')
  })

  test('when its record cannot be kept', async () => {
    const issuer = replica()
    issuer.audit.down = true
    const request = await asked(plant)
    expect(await issuer.issued(request)).toBe('unavailable')
    issuer.audit.down = false
    expect(claimsOf(await issuer.issued(request)).iat).toBeLessThanOrEqual(nowSeconds())
    expect(issuer.audit.count('token.issued')).toBe(1)
  })

  test('for a gateway that has no target of the intent', async () => {
    expect(await replica().issued(await asked(plant, { gateway: 'g2' }))).toBe('wrong_gateway')
  })
})

test('a no is said only after reading what is stored: a lift of a moment ago counts', async () => {
  await plant.applyControl({ command: 'revoke', scope: 'agent', id: 'a1' })
  const lifts = plant.authority.control.seq
  const issuer = createIssuer(plant, { uses })
  const handler = issue({
    ...issuer.deps,
    evaluators: { get: async () => always(ALLOW) },
    catchUp: async () => void (await plant.applyControl({ command: 'lift', lifts })),
    recorded: new RecentSet(10),
    recording: new Map(),
    newId: () => 't0',
  })
  expect(await handler(await asked(plant))).toMatchObject({ ok: true })
})
