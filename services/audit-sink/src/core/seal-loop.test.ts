import { LogStopped, type SealOutcome } from '@writ/audit'
import { Fault } from '@writ/contracts'
import { expect, test } from 'vitest'
import { SealLoop } from './seal-loop.ts'

interface Timer {
  readonly ms: number
  readonly callback: () => void
}

/** A loop whose clock and sealer the test drives. */
function setup() {
  const said: string[] = []
  let timer: Timer | undefined
  let next: () => Promise<Partial<SealOutcome>> = async () => ({})
  const loop = new SealLoop({
    seal: async () => {
      said.push('seal')
      const tree = { size: 0, root: '' }
      const nothing = {
        origin: 'o',
        tree,
        checkpoint: '',
        entries: 0,
        positions: {},
        heads: new Map(),
        refused: [],
        more: false,
      }
      return { ...nothing, ...(await next()) }
    },
    sealed: async () => void said.push('announce'),
    failed: () => void said.push('failed'),
    after: (ms, callback) => {
      const set = { ms, callback }
      timer = set
      return () => {
        if (timer === set) timer = undefined
      }
    },
    sealMs: 1000,
    idleMs: 3000,
  })
  const hold = (seq: number, stream = 'AUDIT') =>
    loop.hold({
      stream,
      seq,
      acknowledge: () => void said.push(`ack ${stream} ${seq}`),
      replaced: () => void said.push(`replaced ${stream} ${seq}`),
      release: () => void said.push(`release ${stream} ${seq}`),
    })
  return {
    loop,
    said,
    hold,
    due: () => timer?.ms,
    outcome: (give: typeof next) => {
      next = give
    },
    /** Lets the time pass until the timer that is set, and everything that follows from it. */
    pass: async () => {
      const { callback } = timer ?? { callback: () => said.push('no timer') }
      timer = undefined
      callback()
      await new Promise((resolve) => setImmediate(resolve))
    },
  }
}

const upTo = (seq: number) => async () => ({ positions: { AUDIT: { created: 'c', seq } } })

test('seals once at the start, to finish what was left unfinished', async () => {
  const { loop, said, due, pass } = setup()
  expect(loop.problem).toBeDefined()
  loop.start()
  expect(due()).toBe(0)
  await pass()
  expect(said).toEqual(['seal', 'announce'])
  expect([loop.problem, due()]).toEqual([undefined, 3000])
})

test('looks at the streams with nothing in hand: what was delivered to a replica that is paused is sealed here', async () => {
  const { loop, said, due, pass } = setup()
  loop.start()
  for (let n = 0; n < 3; n++) {
    await pass()
    expect(due()).toBe(3000)
  }
  expect(said.filter((what) => what === 'seal')).toHaveLength(3)
})

test('does not let a message wait for the next look at the streams', async () => {
  const { loop, hold, due, pass } = setup()
  loop.start()
  await pass()
  hold(1)
  expect(due()).toBe(1000)
})

test('waits as long as the oldest message may, then acknowledges what is covered before it announces', async () => {
  const { said, hold, due, pass, outcome } = setup()
  hold(1)
  hold(2)
  hold(3)
  expect(due()).toBe(1000)
  outcome(upTo(2))
  await pass()
  expect(said).toEqual(['seal', 'ack AUDIT 1', 'ack AUDIT 2', 'announce'])
  expect(due()).toBe(1000)
})

test('seals at once when a tile is full, and when there is more', async () => {
  const { said, hold, due, pass, outcome } = setup()
  for (let seq = 1; seq <= 255; seq++) hold(seq)
  expect(due()).toBe(1000)
  hold(256)
  expect(due()).toBe(0)
  outcome(async () => ({ positions: { AUDIT: { created: 'c', seq: 256 } }, more: true, tree: { size: 256, root: '' } }))
  await pass()
  expect(said.filter((what) => what.startsWith('ack'))).toHaveLength(256)
  expect(due()).toBe(0)
})

test('judges by positions only what was in hand before they were found', async () => {
  const { said, hold, pass, outcome } = setup()
  hold(1)
  outcome(async () => {
    hold(2)
    return await upTo(2)()
  })
  await pass()
  expect(said).toEqual(['seal', 'ack AUDIT 1', 'announce'])
  outcome(upTo(2))
  await pass()
  expect(said).toContain('ack AUDIT 2')
})

test('keeps one delivery of each message: the last', async () => {
  const { loop, said, hold } = setup()
  hold(1)
  hold(1)
  hold(1, 'AUDIT_EDGE')
  expect(said).toEqual(['replaced AUDIT 1'])
  expect(loop.waiting).toBe(2)
})

test('acknowledges nothing that could not be sealed, and tries again, more slowly each time', async () => {
  const { loop, said, hold, due, pass, outcome } = setup()
  hold(1)
  outcome(async () => {
    throw new Fault('unavailable', { message: 'The store does not answer.' })
  })
  const waits: (number | undefined)[] = []
  for (let n = 0; n < 6; n++) {
    await pass()
    hold(2)
    waits.push(due())
  }
  expect(waits).toEqual([250, 500, 1000, 2000, 5000, 5000])
  expect(said.filter((what) => what.startsWith('ack'))).toEqual([])
  expect(loop.problem).toBe('The store does not answer.')
  outcome(upTo(2))
  await pass()
  expect(said.slice(-3)).toEqual(['ack AUDIT 1', 'ack AUDIT 2', 'announce'])
  expect(loop.problem).toBeUndefined()
})

test('stops for good at a log that a person must look at, and says so', async () => {
  const { loop, said, hold, due, pass, outcome } = setup()
  hold(1)
  outcome(async () => {
    throw new LogStopped('o', { message: 'tile/0/000 holds other bytes' })
  })
  await pass()
  hold(2)
  expect(due()).toBeUndefined()
  expect(loop.problem).toContain('holds other bytes')
  await loop.stop(async () => {})
  expect(said.filter((what) => what === 'seal')).toHaveLength(1)
  expect(said).toContain('release AUDIT 1')
})

test('a stop finishes the seal in hand, seals once more what came until then, and lets the rest go', async () => {
  const { loop, said, hold, pass, outcome } = setup()
  hold(1)
  let finish = (): void => {}
  outcome(async () => {
    await new Promise<void>((resolve) => {
      finish = resolve
    })
    outcome(upTo(2))
    return await upTo(1)()
  })
  await pass()
  const stopped = loop.stop(async () => {
    said.push('before the last')
    hold(2)
    hold(3)
  })
  finish()
  await stopped
  hold(4)
  expect(said).toEqual([
    'seal',
    'ack AUDIT 1',
    'announce',
    'before the last',
    'seal',
    'ack AUDIT 2',
    'announce',
    'release AUDIT 3',
    'release AUDIT 4',
  ])
})
