import { describe, expect, test } from 'vitest'
import type { KeptOutcome } from '../core/journal-state.ts'
import { silentLog } from '../log.ts'
import { OutcomeSender } from './outcome-sender.ts'

const outcome = (name: string): KeptOutcome => ({
  plan_id: 'p1',
  step_id: 's0',
  state: 'succeeded',
  final: true,
  digest: name,
  jws: name,
})

describe('outcomes', () => {
  test('are sent in order, the same bytes again until the stream has them, and remembered then', async () => {
    const [sent, stored]: string[][] = [[], []]
    let failures = 3
    const sender = new OutcomeSender({
      store: async (jws) => {
        sent?.push(jws)
        if (failures-- > 0) throw new Error('away')
      },
      stored: async ({ digest }) => {
        stored?.push(digest)
      },
      log: silentLog,
    })
    await Promise.all(['a', 'b'].map((name) => sender.send(outcome(name))))
    expect([sent, stored]).toEqual([
      ['a', 'a', 'a', 'a', 'b'],
      ['a', 'b'],
    ])
    expect(sender.waiting).toBe(0)
  })

  test('one that waits already is not sent twice, and one that could not be remembered is sent all the same', async () => {
    const sent: string[] = []
    const sender = new OutcomeSender({
      store: async (jws) => {
        sent.push(jws)
      },
      stored: () => Promise.reject(new Error('disk')),
      log: silentLog,
    })
    await Promise.all([sender.send(outcome('a')), sender.send(outcome('a'))])
    expect(sent).toEqual(['a'])
  })

  test('nothing is sent after a stop', async () => {
    let attempts = 0
    const sender = new OutcomeSender({
      store: () => {
        attempts += 1
        return Promise.reject(new Error('away'))
      },
      stored: async () => undefined,
      log: silentLog,
    })
    void sender.send(outcome('a'))
    sender.stop()
    await new Promise((resolve) => setTimeout(resolve, 150))
    expect([attempts, sender.waiting]).toEqual([1, 1])
  })
})
