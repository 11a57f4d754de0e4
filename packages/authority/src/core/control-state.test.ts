import { ephemeralSigner, sha256 } from '@writ/keys'
import { describe, expect, test } from 'vitest'
import { createWorld, nowSeconds, REGION, type World } from '../../../../test/support/world.ts'
import { type Authority, createAuthority } from '../index.ts'

interface Stream {
  readonly world: World
  readonly authority: Authority
  put(
    claims: object,
    options?: { by?: Parameters<World['control']>[1]; ttl?: boolean; skip?: boolean },
  ): Promise<string>
  raw(body: string, options?: { operatorId?: string; ttl?: boolean }): string
}

async function stream(): Promise<Stream> {
  const world = await createWorld()
  const authority = createAuthority(REGION, world.trust)
  let seq = 0
  const raw: Stream['raw'] = (body, { operatorId = 'root', ttl = false } = {}) =>
    authority.control.apply({ operatorId, seq: ++seq, data: Buffer.from(body), ttl }).kind
  return {
    world,
    authority,
    raw,
    async put(claims, options = {}) {
      const body = await world.control({ prev: authority.control.seq, ...claims }, options.by)
      if (options.skip === true) {
        seq++
        return body
      }
      return raw(body, { operatorId: options.by?.iss ?? 'root', ttl: options.ttl ?? false })
    },
  }
}
const genesis = { command: 'genesis', stream: 's1' }
const revoke = (scope: string, id: string) => ({ command: 'revoke', scope, id })

describe('CONTROL', () => {
  test('takes genesis, revokes and lifts in order', async () => {
    const { authority, put } = await stream()
    expect(await put(genesis)).toBe('applied')
    expect(await put(revoke('agent', 'a1'))).toBe('applied')
    expect(authority.control.refusalOf({ agent: 'a1' })?.code).toBe('revoked')
    expect(authority.control.refusalOf({ agent: 'a2' })).toBeUndefined()
    expect(await put({ command: 'lift', lifts: 2 })).toBe('applied')
    expect(authority.control.refusalOf({ agent: 'a1' })).toBeUndefined()
    expect(authority.control.rev).toEqual({ stream: 's1', seq: 3 })
  })

  test('quarantine says so', async () => {
    const { authority, put } = await stream()
    await put(genesis)
    await put({ ...revoke('device', 'd1'), quarantine: true })
    expect(authority.control.refusalOf({ devices: ['d1'] })?.code).toBe('quarantined')
  })

  test('what is not valid is void and part of the chain; the next message names it', async () => {
    const { authority, put, raw, world } = await stream()
    expect(await put(revoke('agent', 'a1'))).toBe('void')
    expect(await put(genesis)).toBe('applied')
    expect(raw('garbage')).toBe('void')
    expect(await put(genesis)).toBe('void')
    expect(
      raw(await world.control({ prev: authority.control.seq, ...revoke('all', '') }), { operatorId: 'other' }),
    ).toBe('void')
    expect(await put(revoke('agent', 'a1'), { by: { by: ephemeralSigner() } })).toBe('void')
    expect(await put({ ...revoke('agent', 'a1'), prev: 1 })).toBe('void')
    expect(await put({ ...revoke('agent', 'a1'), prev: 99 })).toBe('void')
    expect(await put({ ...revoke('agent', 'a1'), aud: 'writ:elsewhere' })).toBe('void')
    expect(await put(revoke('agent', 'a1'))).toBe('applied')
    expect(authority.control.seq).toBe(10)
  })

  test('a message with a TTL is void and no part of the chain', async () => {
    const { authority, put } = await stream()
    await put(genesis)
    expect(await put(revoke('agent', 'a1'), { ttl: true })).toBe('void')
    expect(authority.control.seq).toBe(1)
    expect(authority.control.storedSeq).toBe(2)
    expect(await put(revoke('agent', 'a1'))).toBe('applied')
  })

  test('a missing sequence that some prev points to is withheld: no rev any more', async () => {
    const { authority, put } = await stream()
    await put(genesis)
    await put(revoke('agent', 'a1'), { skip: true })
    expect(await put({ ...revoke('agent', 'a2'), prev: 2 })).toBe('withheld')
    expect(() => authority.control.rev).toThrow(expect.objectContaining({ code: 'unavailable' }))
    expect(authority.control.seq).toBe(1)
  })

  test('an operator who is not pinned signs with any key of their record until a key revoke names it, for good', async () => {
    const { authority, put, world } = await stream()
    await put(genesis)
    const deputy = world.signerOf('operator', 'deputy')
    expect(await put(revoke('agent', 'a1'), { by: { by: deputy, iss: 'deputy' } })).toBe('void')
    const record = await world.file('operator', 'deputy', { keys: [deputy.jwk], user: 'dora' })
    authority.trust.apply({ kind: 'operator', id: 'deputy', data: Buffer.from(record) })
    expect(await put(revoke('agent', 'a1'), { by: { by: deputy, iss: 'deputy' } })).toBe('applied')
    expect(await put({ command: 'genesis', stream: 's2' }, { by: { by: deputy, iss: 'deputy' } })).toBe('void')
    await put(revoke('key', deputy.kid))
    const at = authority.control.seq
    expect(await put(revoke('agent', 'a2'), { by: { by: deputy, iss: 'deputy' } })).toBe('void')
    await put({ command: 'lift', lifts: at })
    expect(await put(revoke('agent', 'a2'), { by: { by: deputy, iss: 'deputy' } })).toBe('void')
  })

  test('a reader stands still on less than it knew, on another stream, on another message in its place', async () => {
    const { authority, put } = await stream()
    await put(genesis)
    await put(revoke('agent', 'a1'))
    const known = authority.control.position
    const at = (digest: string | undefined) => () => authority.control.assertHolds(known, undefined, () => digest)
    expect(at(known?.digest)).not.toThrow()
    expect(at(sha256('other'))).toThrow()
    expect(() => authority.control.assertHolds(undefined, { stream: 's1', seq: 3 }, () => '')).toThrow()
    expect(() => authority.control.assertHolds({ stream: 's0', seq: 1, digest: '' }, undefined, () => '')).toThrow()
    const next = await stream()
    await next.put({ ...genesis, stream: 's2', follows: { stream: 's1', seq: 2 } })
    expect(() => next.authority.control.assertHolds(known, undefined, () => undefined)).not.toThrow()
    expect(() =>
      next.authority.control.assertHolds({ stream: 's1', seq: 3, digest: '' }, undefined, () => undefined),
    ).toThrow()
  })

  test('an endorsements revoke names all earlier ones of the role', async () => {
    const { authority, put, world } = await stream()
    await put(genesis)
    const kid = world.services['token-issuer'].kid
    const now = nowSeconds()
    authority.trust.apply({ kind: 'key', id: kid, data: Buffer.from(await world.endorse('token-issuer')) })
    expect(authority.trust.serviceKey('token-issuer', kid, now)).toBeDefined()
    await put(revoke('endorsements', 'token-issuer'))
    expect(() => authority.trust.serviceKey('token-issuer', kid, now)).toThrow(
      expect.objectContaining({ code: 'unknown_key' }),
    )
    authority.trust.apply({
      kind: 'key',
      id: kid,
      data: Buffer.from(await world.endorse('token-issuer', { iat: now + 1 })),
    })
    expect(authority.trust.serviceKey('token-issuer', kid, now + 2)).toBeDefined()
  })
})
