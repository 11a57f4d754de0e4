import { beforeEach, describe, expect, test } from 'vitest'
import { createWorld, REGION, type World } from '../../../../test/support/world.ts'
import { AuthorityReader, createAuthority, type StoredMessage } from '../index.ts'

let world: World
let stored: StoredMessage[]
let heard: string[]
let reader: AuthorityReader

beforeEach(async () => {
  world = await createWorld()
  stored = []
  heard = []
  const read = async function* (stream: string, { fromSeq }: { fromSeq: number }) {
    if (stream === 'CONTROL') yield* stored.filter(({ seq }) => seq >= fromSeq)
  }
  reader = new AuthorityReader(createAuthority(REGION, world.trust), read, ({ kind, seq }) =>
    heard.push(`${kind} ${seq}`),
  )
  await put({ command: 'genesis', stream: 's1' })
  await put({ command: 'revoke', scope: 'agent', id: 'a1' })
})

async function put(claims: object, ttl = false): Promise<void> {
  const prev = stored.filter((message) => !message.ttl).at(-1)?.seq ?? 0
  const data = Buffer.from(await world.control({ prev, ...claims }))
  stored.push({ subject: `writ.v1.${REGION}.control.root`, seq: (stored.at(-1)?.seq ?? 0) + 1, data, ttl })
}
const unavailable = { code: 'unavailable' }

describe('G7, G8: a reader that is at work stands still', () => {
  test('when CONTROL is made again under it and holds less', async () => {
    await reader.control()
    stored = []
    await expect(reader.control()).rejects.toMatchObject(unavailable)
    await put({ command: 'genesis', stream: 's2' })
    await expect(reader.control()).rejects.toMatchObject(unavailable)
  })

  test('when CONTROL is made again under it and has grown as long as it was', async () => {
    await reader.control()
    stored = []
    await put({ command: 'genesis', stream: 's2' })
    await put({ command: 'revoke', scope: 'agent', id: 'a2' })
    await put({ command: 'lift', lifts: 2 })
    await expect(reader.control()).rejects.toMatchObject(unavailable)
    expect(reader.authority.control.refusalOf({ agent: 'a1' })).toBeDefined()
  })
})

test('each message is applied and told of once, one that will vanish too', async () => {
  await put({ command: 'lift', lifts: 2 }, true)
  await reader.control()
  await reader.control()
  await put({ command: 'lift', lifts: 2 })
  await reader.control()
  expect(heard).toEqual(['applied 1', 'applied 2', 'void 3', 'applied 4'])
})
