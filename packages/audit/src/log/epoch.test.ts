import { rm } from 'node:fs/promises'
import { DirectoryStore } from '@writ/worm-store'
import { describe, expect, test } from 'vitest'
import {
  clock,
  dir,
  expectExactlyOnce,
  expectOneHistory,
  faulty,
  file,
  message,
  messages,
  ORIGIN,
  opener,
  openSealer,
  Stream,
} from '../testing/log.ts'
import type { Opening } from './sealer.ts'

describe('an epoch', () => {
  test('ends with the half-year; the next one begins with what came before, and no message is lost or doubled', async () => {
    const audit = new Stream('AUDIT')
    const seen: Opening[] = []
    const all = await messages('token-issuer/i1/b1', 0, 20)
    audit.store(...all.slice(0, 10))
    const sealer = await openSealer({ streams: [audit], opening: opener(seen) })
    await sealer.seal()
    audit.store(...all.slice(8, 16))
    clock.set('2027-01-01T00:00:00Z')
    const outcome = await sealer.seal()
    const next = 'audit.example/eusc-de-east-1/2027h1'
    expect(outcome.origin).toBe(next)
    await expectExactlyOnce(all.slice(0, 10))
    await expectExactlyOnce(all.slice(10, 16), next)
    expect(seen[1]).toMatchObject({ origin: next, predecessor: { origin: ORIGIN, size: 11 }, heads: { count: 2 } })
    const heads = JSON.parse(
      (
        await file(
          `${next}.meta/blobs/sha256/${Buffer.from(seen[1]?.heads?.sha256 ?? '', 'base64url').toString('hex')}`,
        )
      ).toString(),
    ) as unknown
    expect(heads).toMatchObject({ 'token-issuer/i1/b1': { seq: 9 } })
    expect(JSON.parse((await file(`${ORIGIN}.meta/closed`)).toString())).toMatchObject({ size: 11, successor: next })
    const restarted = await openSealer({ streams: [audit] })
    expect(restarted.origin).toBe(next)
    audit.store(...all)
    await restarted.seal()
    await expectExactlyOnce(all.slice(10), next)
    await expectOneHistory()
    await expectOneHistory(next)
  })

  test('is not left for an earlier one when the clock is set back', async () => {
    const audit = new Stream('AUDIT')
    await (await openSealer({ streams: [audit] })).seal()
    clock.set('2020-01-01T00:00:00Z')
    const sealer = await openSealer({ streams: [audit] })
    audit.store(await message('token-issuer/i1/b1', 0))
    expect((await sealer.seal()).origin).toBe(ORIGIN)
  })

  test.each(['lost', 'kept, reported lost', 'killed right after'] as const)(
    'turns once though any write of the turn is %s',
    async (fault) => {
      for (let at = 1; at <= 40; at++) {
        await rm(dir, { recursive: true, force: true })
        clock.set('2026-12-31T23:59:59Z')
        const audit = new Stream('AUDIT')
        const all = await messages('token-issuer/i1/b1', 0, 10)
        audit.store(...all.slice(0, 5))
        await (await openSealer({ streams: [audit] })).seal()
        clock.set('2027-01-01T00:00:00Z')
        audit.store(...all.slice(5))
        const injected = faulty(await DirectoryStore.open(dir), at, fault)
        let sealer = await openSealer({ streams: [audit], store: injected.store })
        for (let done = false; !done; ) {
          try {
            await sealer.seal()
            done = true
          } catch (error) {
            if (!(error instanceof Error && error.message.startsWith('injected'))) throw error
            if (fault === 'killed right after') sealer = await openSealer({ streams: [audit] })
          }
        }
        await expectExactlyOnce(all.slice(0, 5))
        await expectExactlyOnce(all.slice(5), 'audit.example/eusc-de-east-1/2027h1')
        await expectOneHistory('audit.example/eusc-de-east-1/2027h1')
        if (injected.writes() < at) return
      }
    },
    60_000,
  )
})
