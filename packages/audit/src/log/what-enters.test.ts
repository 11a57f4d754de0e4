import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { signJws } from '@writ/keys'
import { beforeEach, describe, expect, test } from 'vitest'
import {
  auditKey,
  dir,
  expectExactlyOnce,
  file,
  headsOf,
  message,
  messages,
  ORIGIN,
  openSealer,
  type Published,
  readLog,
  Stream,
} from '../testing/log.ts'
import type { Sealer } from './sealer.ts'

describe('what enters', () => {
  let audit: Stream
  let sealer: Sealer
  beforeEach(async () => {
    audit = new Stream('AUDIT')
    sealer = await openSealer({ streams: [audit] })
    await sealer.seal()
  })
  const digestsIn = async () => (await readLog()).entries.slice(1)

  test('a message that comes again enters once, and its source hears its head', async () => {
    const [a, b] = await messages('token-issuer/i1/b1', 0, 2)
    if (a === undefined || b === undefined) throw new Error('two messages')
    audit.store(a, b, a)
    expect(headsOf(await sealer.seal())).toEqual({ 'token-issuer/i1/b1': 1 })
    audit.store(a)
    const again = await sealer.seal()
    expect(again).toMatchObject({ entries: 0, positions: { AUDIT: { seq: 4 } } })
    expect(headsOf(again)).toEqual({ 'token-issuer/i1/b1': 1 })
    expect(headsOf(await sealer.seal())).toEqual({})
    const fresh = await openSealer({ streams: [audit] })
    audit.store(a, b)
    expect((await fresh.seal()).entries).toBe(0)
    await expectExactlyOnce([a, b])
  })

  test('the same signing input under another signature is the same message', async () => {
    const { source, body } = await message('token-issuer/i1/b1', 0)
    const other = `${body.slice(0, body.lastIndexOf('.'))}.${Buffer.alloc(64, 1).toString('base64url')}`
    audit.store({ source, body })
    await sealer.seal()
    audit.store({ source, body: other })
    expect((await sealer.seal()).entries).toBe(0)
  })

  test('another message under a used number enters, once, also after restarts', async () => {
    const source = 'token-issuer/i1/b1'
    const honest = await messages(source, 0, 50)
    const forks = [await message(source, 0, 'fork of the first'), await message(source, 49, 'fork of the last')]
    audit.store(...honest)
    await sealer.seal()
    audit.store(...forks)
    sealer = await openSealer({ streams: [audit] })
    expect((await sealer.seal()).entries).toBe(2)
    audit.store(...forks, ...honest)
    sealer = await openSealer({ streams: [audit] })
    expect((await sealer.seal()).entries).toBe(0)
    await expectExactlyOnce([...honest, ...forks])
  })

  test('finds a duplicate from long ago by its seal, not by reading the log', async () => {
    const source = 'token-issuer/i1/b1'
    const all = await messages(source, 0, 60)
    for (const one of all) {
      audit.store(one)
      await sealer.seal()
    }
    const fork = await message(source, 17, 'fork')
    sealer = await openSealer({ streams: [audit] })
    audit.store(all[0] as Published, all[17] as Published, fork, all[31] as Published)
    expect((await sealer.seal()).entries).toBe(1)
    await expectExactlyOnce([...all, fork])
  }, 30_000)

  test('finds what entered lately also when older batches are gone, and takes for known only what their oldest covers', async () => {
    const source = 'token-issuer/i1/b1'
    const all = await messages(source, 0, 20)
    for (const one of all) {
      audit.store(one)
      await sealer.seal()
    }
    // Seal n + 2 brought message n. The batches up to seal 10 are gone; that of seal 11 covers messages up to 9.
    for (let n = 1; n <= 10; n++) {
      const seal = JSON.parse((await file(`${ORIGIN}.meta/seals/${String(n).padStart(12, '0')}`)).toString())
      await rm(join(dir, `${ORIGIN}.meta/staging/${(seal as { staging: string }).staging}`))
    }
    const forks = await Promise.all([5, 9, 10, 17].map((seq) => message(source, seq, 'fork')))
    audit.store(...forks, all[10] as Published, all[17] as Published)
    sealer = await openSealer({ streams: [audit] })
    expect((await sealer.seal()).entries).toBe(2)
    await expectExactlyOnce([...all, ...forks.slice(2)])
  }, 30_000)

  test('a message after a hole enters, and the head rises only when the hole is filled', async () => {
    const source = 'gateway/g1/b1'
    const [zero, one, two, three] = await messages(source, 0, 4)
    if (zero === undefined || one === undefined || two === undefined || three === undefined)
      throw new Error('four messages')
    audit.store(zero, three, two)
    expect(headsOf(await sealer.seal())).toEqual({ [source]: 0 })
    sealer = await openSealer({ streams: [audit] })
    audit.store(three, one, two)
    expect(headsOf(await sealer.seal())).toEqual({ [source]: 3 })
    await expectExactlyOnce([zero, one, two, three])
  })

  test('a source that makes thousands of holes does not grow the state without bound', async () => {
    const source = 'gateway/g1/b1'
    const holes = await Promise.all(Array.from({ length: 500 }, (_, at) => message(source, at * 2 + 1)))
    audit.store(...holes)
    while ((await sealer.seal()).entries > 0);
    const seals = await readdir(join(dir, `${ORIGIN}.meta/seals`))
    const last = JSON.parse((await file(`${ORIGIN}.meta/seals/${seals.sort().at(-1)}`)).toString()) as {
      staging: string
    }
    const staged = JSON.parse((await file(`${ORIGIN}.meta/staging/${last.staging}`)).toString()) as {
      sources: Record<string, { ahead: unknown[] }>
    }
    expect(staged.sources[source]?.ahead.length).toBeLessThanOrEqual(64)
    const filled = await message(source, 2)
    audit.store(filled, ...holes)
    while ((await sealer.seal()).entries > 0);
    await expectExactlyOnce([...holes, filled])
  })

  test.each([
    ['not a JWS', 'garbage', 'malformed'],
    ['another typ', 'intent', 'unsupported_type'],
    ['another source than its subject', 'foreign', 'wrong_subject'],
    ['no number', 'unnumbered', 'malformed'],
    ['too many bytes', 'large', 'too_large'],
  ])('with %s a message does not enter, and does not hold up what follows', async (_, kind, code) => {
    const source = 'token-issuer/i1/b1'
    const bodies: Record<string, string> = {
      garbage: 'not.a.jws',
      intent: await signJws(auditKey, 'writ-intent+jwt', { source, seq: 0 }),
      foreign: await signJws(auditKey, 'writ-audit+jwt', { source: 'token-issuer/i2/b1', seq: 0 }),
      unnumbered: await signJws(auditKey, 'writ-audit+jwt', { source, seq: 1.5 }),
      large: await signJws(auditKey, 'writ-audit+jwt', { source, seq: 0, text: 'x'.repeat(64_000) }),
    }
    const good = await message(source, 0)
    audit.store({ source, body: bodies[kind] as string }, good)
    const outcome = await sealer.seal()
    expect(outcome.refused.map((refused) => refused.code)).toEqual([code])
    expect(outcome.positions['AUDIT']?.seq).toBe(2)
    expect(await digestsIn()).toEqual([good.body])
  })

  test('only refused messages: no seal, and they are settled once', async () => {
    audit.store({ source: 'token-issuer/i1/b1', body: 'garbage' })
    expect(await sealer.seal()).toMatchObject({
      entries: 0,
      positions: { AUDIT: { seq: 1 } },
      refused: [{ code: 'malformed' }],
    })
    expect(await sealer.seal()).toMatchObject({ entries: 0, positions: { AUDIT: { seq: 1 } }, refused: [] })
    expect(await readdir(join(dir, `${ORIGIN}.meta/seals`))).toHaveLength(1)
  })

  test('a stream that is created again is read from its start, what is in the log already not twice', async () => {
    const all = await messages('token-issuer/i1/b1', 0, 6)
    audit.store(...all.slice(0, 4))
    await sealer.seal()
    audit.recreate('2026-11-02')
    audit.store(...all.slice(2, 6))
    const outcome = await sealer.seal()
    expect(outcome.positions['AUDIT']).toEqual({ created: '2026-11-02', seq: 4 })
    await expectExactlyOnce(all)
  })

  test('a stream that was set back to an older state is read from its start', async () => {
    const all = await messages('token-issuer/i1/b1', 0, 6)
    audit.store(...all.slice(0, 4))
    await sealer.seal()
    audit.setBack(1)
    audit.store(...all.slice(4))
    await sealer.seal()
    await expectExactlyOnce(all)
  })
})
