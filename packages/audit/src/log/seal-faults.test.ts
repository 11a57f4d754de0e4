import { rm } from 'node:fs/promises'
import { DirectoryStore, type WormStore } from '@writ/worm-store'
import { describe, expect, test } from 'vitest'
import {
  dir,
  expectExactlyOnce,
  expectOneHistory,
  type Fault,
  faulty,
  messages,
  opener,
  openSealer,
  type Published,
  Stream,
} from '../testing/log.ts'

describe.each<Fault>(['lost', 'kept, reported lost', 'killed right after'])('every write in turn %s', (fault) => {
  /** What is stored meanwhile: enough for a full tile, over four seals, with an epoch's end between. */
  async function run(at: number): Promise<{ writes: number; all: Published[] }> {
    const [audit, edge] = [new Stream('AUDIT'), new Stream('AUDIT_EDGE')]
    const all = [...(await messages('token-issuer/i1/b1', 0, 270)), ...(await messages('gateway/g1/b1', 0, 20))]
    const injected = faulty(await DirectoryStore.open(dir), at, fault)
    const opening = opener()
    let sealer = await openSealer({ streams: [audit, edge], store: injected.store, opening })
    const seal = async (): Promise<void> => {
      for (;;) {
        try {
          if ((await sealer.seal()).entries === 0) return
        } catch (error) {
          if (!(error instanceof Error && error.message.startsWith('injected'))) throw error
          if (fault === 'killed right after') sealer = await openSealer({ streams: [audit, edge] })
        }
      }
    }
    for (const [from, to] of [
      [0, 10],
      [10, 30],
      [30, 280],
      [280, 290],
    ] as const) {
      for (const one of all.slice(from, to)) (one.source.startsWith('gateway/') ? edge : audit).store(one)
      await seal()
    }
    return { writes: injected.writes(), all }
  }

  test('the log verifies, has every message exactly once, and needs nobody', async () => {
    const { writes } = await run(0)
    expect(writes).toBeGreaterThan(30)
    for (let at = 1; at <= writes; at++) {
      await rm(dir, { recursive: true, force: true })
      const { all } = await run(at)
      await expectExactlyOnce(all)
      await expectOneHistory()
    }
  }, 120_000)
})

test('several writers at once, each seeing another part of the streams, write one history with everything exactly once', async () => {
  const all = [...(await messages('token-issuer/i1/b1', 0, 400)), ...(await messages('gateway/g1/b1', 0, 200))]
  const [audit, edge] = [new Stream('AUDIT'), new Stream('AUDIT_EDGE')]
  const sealers = await Promise.all(Array.from({ length: 3 }, () => openSealer({ streams: [audit, edge] })))
  let stored = 0
  const store = (): boolean => {
    for (const one of all.slice(stored, stored + 13)) (one.source.startsWith('gateway/') ? edge : audit).store(one)
    stored += 13
    return stored < all.length
  }
  await Promise.all(
    sealers.map(async (sealer) => {
      for (let idle = 0; idle < 2; ) {
        const more = store()
        const outcome = await sealer.seal()
        for (const stream of [audit, edge]) stream.acknowledge(outcome)
        idle = outcome.entries === 0 && !more ? idle + 1 : 0
      }
    }),
  )
  await expectExactlyOnce(all)
  await expectOneHistory()
  expect(new Set(sealers.map((sealer) => sealer.tree.root)).size).toBe(1)
}, 60_000)

test('a writer that was paused before its reservation does not seal what another has sealed', async () => {
  const audit = new Stream('AUDIT')
  const store = await DirectoryStore.open(dir)
  let pause: Promise<void> | undefined
  let paused = (): void => {}
  const reached = new Promise<void>((resolve) => {
    paused = resolve
  })
  let resume = (): void => {}
  const slow: WormStore = {
    ...faulty(store, 0, 'lost').store,
    put: async (key, ...args) => {
      if (pause !== undefined && key.includes('/seals/')) {
        paused()
        await pause
      }
      return await store.put(key, ...args)
    },
  }
  const [slowOne, other] = [await openSealer({ streams: [audit], store: slow }), await openSealer({ streams: [audit] })]
  await slowOne.seal()
  const all = await messages('token-issuer/i1/b1', 0, 20)
  audit.store(...all.slice(0, 7))
  pause = new Promise<void>((resolve) => {
    resume = resolve
  })
  const late = slowOne.seal()
  await reached
  audit.store(...all.slice(7))
  await other.seal()
  resume()
  await late
  await expectExactlyOnce(all)
  await expectOneHistory()
})
