import { join } from 'node:path'
import { openSession } from '@writ/agent-sdk'
import { generateJwk, writeKeyFile } from '@writ/keys'
import { planePaths } from '@writ/plane'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startNats, type TestNats } from '../../../../test/support/nats.ts'
import { publishControl } from './control.ts'

let nats: TestNats
beforeAll(async () => {
  nats = await startNats()
})
afterAll(() => nats?.[Symbol.asyncDispose]())

const REVOKE = { command: 'revoke', scope: 'agent', id: 'a1' } as const

test('G7: nothing is called recorded that every reader would skip', async () => {
  const { rootOperator } = planePaths(nats.plane.dir)
  await using root = await openSession({ enrolment: rootOperator })
  const keyFile = join(nats.dir, 'stranger.jwk')
  await writeKeyFile(keyFile, generateJwk('ES256'))
  await using stranger = await openSession({ enrolment: rootOperator, keyFile })

  await expect(publishControl(root, REVOKE, 'before genesis')).rejects.toMatchObject({ code: 'chain_broken' })
  await publishControl(root, { command: 'genesis', stream: 's1' }, 'first')
  await expect(publishControl(root, { command: 'genesis', stream: 's2' }, 'again')).rejects.toMatchObject({
    code: 'replayed',
  })
  await expect(publishControl(stranger, REVOKE, 'another key')).rejects.toMatchObject({ code: 'unknown_key' })
  const { seq } = await publishControl(root, REVOKE, 'counts')
  await root.reader.control()
  expect(root.authority.control.standing.map((revoke) => revoke.seq)).toEqual([seq])
})

test('an id or reason that is none is the person’s mistake, named by its field, and nothing is recorded', async () => {
  await using root = await openSession({ enrolment: planePaths(nats.plane.dir).rootOperator })
  const before = await root.bus.lastBySubject('CONTROL', root.subjects.controlAll)
  const mistakes = [
    [{ ...REVOKE, id: 'a b' }, 'why', 'id: '],
    [{ command: 'revoke', scope: 'key', id: 'notathumbprint' }, 'why', 'id: '],
    [{ command: 'revoke', scope: 'endorsements', id: 'nobody' }, 'why', 'id: '],
    [REVOKE, '', 'reason: '],
    [REVOKE, 'x'.repeat(100_000), 'reason: '],
  ] as const
  for (const [word, reason, field] of mistakes)
    await expect(publishControl(root, word, reason)).rejects.toMatchObject({
      code: 'malformed',
      message: expect.stringContaining(field),
    })
  expect((await root.bus.lastBySubject('CONTROL', root.subjects.controlAll))?.seq).toBe(before?.seq)
})
