import { ephemeralSigner } from '@writ/keys'
import { describe, expect, test } from 'vitest'
import { createSmallPlant, createWorld, nowSeconds, REGION } from '../../../../test/support/world.ts'
import { createAuthority, parseFiledValue } from '../index.ts'

describe('G3: only operators make records', () => {
  const agent = (world: Awaited<ReturnType<typeof createWorld>>) => ({
    keys: [world.signerOf('agent', 'x').jwk],
    users: ['u'],
    actions: [],
    groups: [],
  })

  test('a record by nobody’s key, under another name or for another region is not believed', async () => {
    const { world, authority } = await createSmallPlant()
    const put = (id: string, value: string) => authority.trust.apply({ kind: 'agent', id, data: Buffer.from(value) })
    put('x', await world.file('agent', 'x', agent(world), { by: ephemeralSigner() }))
    expect(authority.trust.record('agent', 'x')).toBeUndefined()
    expect(put('y', await world.file('agent', 'x', agent(world), { version: 1 }))).toBe('left out')
    expect(put('x', 'garbage')).toBe('left out')
  })

  test('the highest version is in force; an old one filed again changes nothing; null removes', async () => {
    const { world, authority } = await createSmallPlant()
    const put = (value: string) => authority.trust.apply({ kind: 'agent', id: 'x', data: Buffer.from(value) })
    const first = await world.file('agent', 'x', agent(world))
    put(first)
    put(await world.file('agent', 'x', { ...agent(world), groups: ['hall'] }))
    put(first)
    expect(authority.trust.record('agent', 'x')).toMatchObject({ version: 2, record: { groups: ['hall'] } })
    put(await world.file('agent', 'x', null))
    expect(authority.trust.record('agent', 'x')).toBeUndefined()
    expect(authority.trust.version('agent', 'x')).toBe(3)
  })

  test('operators’ own records need a root operator; a key revoke takes down what the key signed', async () => {
    const { world, authority, applyControl } = await createSmallPlant()
    const deputy = world.signerOf('operator', 'deputy')
    const put = (kind: 'operator' | 'agent', id: string, value: string) =>
      authority.trust.apply({ kind, id, data: Buffer.from(value) })
    put('operator', 'deputy', await world.file('operator', 'deputy', { keys: [deputy.jwk], user: 'dora' }))
    put('agent', 'x', await world.file('agent', 'x', agent(world), { by: deputy, iss: 'deputy' }))
    expect(authority.trust.record('agent', 'x')).toBeDefined()
    const third = ephemeralSigner()
    put(
      'operator',
      'third',
      await world.file('operator', 'third', { keys: [third.jwk], user: 'tom' }, { by: deputy, iss: 'deputy' }),
    )
    expect(authority.trust.record('operator', 'third')).toBeUndefined()
    await applyControl({ command: 'revoke', scope: 'key', id: deputy.kid })
    expect(authority.trust.record('agent', 'x')).toBeUndefined()
  })

  test('a command that was filed with a broken signature first does not keep the good one out', async () => {
    const { world, authority } = await createSmallPlant()
    const good = await world.file('agent', 'x', agent(world))
    const put = (value: string) => authority.trust.apply({ kind: 'agent', id: 'x', data: Buffer.from(value) })
    put(`${good.slice(0, good.lastIndexOf('.'))}.${Buffer.alloc(64, 1).toString('base64url')}`)
    expect(authority.trust.record('agent', 'x')).toBeUndefined()
    put(good)
    expect(authority.trust.record('agent', 'x')).toBeDefined()
  })

  test('a kind under two-person rule needs another operator’s cosign on this very command', async () => {
    const world = await createWorld()
    const authority = createAuthority(REGION, { ...world.trust, two_person: ['agent'] })
    const value = await world.file('agent', 'x', agent(world))
    authority.trust.apply({ kind: 'agent', id: 'x', data: Buffer.from(value) })
    expect(authority.trust.record('agent', 'x')).toBeUndefined()
    expect(() => parseFiledValue(`${value}\n${value}`)).toThrow(expect.objectContaining({ code: 'unsupported_type' }))
  })
})

describe('G3: a service’s key counts only under its anchor’s endorsement', () => {
  test('not by another role’s anchor, not beyond 24 h, not outside its time, not for another role', async () => {
    const world = await createWorld()
    const authority = createAuthority(REGION, world.trust)
    const now = nowSeconds()
    const key =
      (role: 'token-issuer' | 'audit-sink', kid: string, at = now) =>
      () =>
        authority.trust.serviceKey(role, kid, at)
    const put = async (signer: ReturnType<typeof ephemeralSigner>, options: object) =>
      authority.trust.apply({
        kind: 'key',
        id: signer.kid,
        data: Buffer.from(await world.endorse('token-issuer', { signer, ...options })),
      })
    const [forged, long, good] = [ephemeralSigner(), ephemeralSigner(), ephemeralSigner()]
    await put(forged, { anchor: world.anchors['audit-sink'] })
    await put(long, { exp: now + 90_000 })
    await put(good, { iat: now - 10, exp: now + 10 })
    for (const { kid } of [forged, long])
      expect(key('token-issuer', kid)).toThrow(expect.objectContaining({ code: 'unknown_key' }))
    expect(key('token-issuer', good.kid)).not.toThrow()
    expect(key('audit-sink', good.kid)).toThrow(expect.objectContaining({ code: 'wrong_role' }))
    for (const at of [now - 11, now + 10])
      expect(key('token-issuer', good.kid, at)).toThrow(expect.objectContaining({ code: 'unknown_key' }))
  })
})
