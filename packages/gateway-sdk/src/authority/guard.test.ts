import { type ControlPosition, createAuthority, type StoredMessage } from '@writ/authority'
import { beforeEach, describe, expect, test } from 'vitest'
import { createWorld, REGION, type World } from '../../../../test/support/world.ts'
import { Guard } from './guard.ts'

let world: World
let control: StoredMessage[]
/** What was read, in order. */
let read: string[]
let signersAway: boolean
let saved: ControlPosition[]
/** Keeping the position fails while it is true. */
let diskFull: boolean
let guard: Guard

beforeEach(async () => {
  world = await createWorld()
  control = []
  read = []
  saved = []
  signersAway = false
  diskFull = false
  guard = open()
  await put({ command: 'genesis', stream: 's1' })
})

function open(known?: ControlPosition): Guard {
  return new Guard({
    authority: createAuthority(REGION, world.trust),
    read: async function* (stream, { fromSeq }) {
      read.push(stream)
      if (stream === 'SIGNERS' && signersAway) throw Object.assign(new Error('away'), { code: 'unavailable' })
      if (stream === 'CONTROL') yield* control.filter(({ seq }) => seq >= fromSeq)
    },
    known,
    least: undefined,
    savePosition: async (position) => {
      if (diskFull) throw new Error('no space left')
      saved.push(position)
    },
    onControl: () => undefined,
  })
}

async function put(claims: object): Promise<void> {
  const data = Buffer.from(await world.control({ prev: control.at(-1)?.seq ?? 0, ...claims }))
  control.push({ subject: `writ.v1.${REGION}.control.root`, seq: (control.at(-1)?.seq ?? 0) + 1, data, ttl: false })
}
const revoke = { command: 'revoke', scope: 'agent', id: 'a1' }
const rev = (seq: number, stream = 's1') => ({ stream, seq })

describe('G7: what token-issuer had applied needs no reading', () => {
  test('where it is applied here and kept on the disk', async () => {
    await put(revoke)
    expect(guard.holds(rev(1))).toBe(false)
    await guard.refresh()
    expect([guard.holds(rev(1)), guard.holds(rev(2)), saved.at(-1)?.seq]).toEqual([true, true, 2])
  })

  test('and does where token-issuer is ahead, or its CONTROL is another', async () => {
    await guard.refresh()
    await put(revoke)
    expect([guard.holds(rev(2)), guard.holds(rev(1, 's2'))]).toEqual([false, false])
    await guard.refresh()
    expect(guard.holds(rev(2))).toBe(true)
  })

  test('and does while the position could not be kept, though it is applied', async () => {
    await guard.refresh()
    await put(revoke)
    diskFull = true
    await expect(guard.refresh()).rejects.toThrow()
    expect([guard.authority.control.seq, guard.holds(rev(2)), guard.holds(rev(1))]).toEqual([2, false, false])
    diskFull = false
    await guard.refresh()
    expect(guard.holds(rev(2))).toBe(true)
  })

  test('and does after a restart, whatever was kept, until CONTROL has been read', async () => {
    await put(revoke)
    await guard.refresh()
    const again = open(saved.at(-1))
    expect(again.holds(rev(1))).toBe(false)
    await again.refresh()
    expect(again.holds(rev(2))).toBe(true)
  })

  test('and does after a reading that failed: while SIGNERS does not answer nothing is begun', async () => {
    await guard.refresh()
    signersAway = true
    await expect(guard.refresh()).rejects.toThrow('away')
    expect(guard.holds(rev(1))).toBe(false)
    await expect(guard.refresh(60_000)).rejects.toThrow('away')
    signersAway = false
    await guard.refresh()
    expect(guard.holds(rev(1))).toBe(true)
  })

  test('and does while a message is withheld', async () => {
    await guard.refresh()
    await put(revoke)
    await put({ command: 'lift', lifts: 2 })
    control.splice(1, 1)
    await expect(guard.refresh()).rejects.toMatchObject({ code: 'unavailable' })
    expect(guard.holds(rev(1))).toBe(false)
  })
})

test('a reading of a moment ago does where it may, and else it is read anew', async () => {
  await guard.refresh()
  await guard.refresh(60_000)
  expect(read).toEqual(['SIGNERS', 'CONTROL'])
  await guard.refresh()
  expect(read).toHaveLength(4)
})
