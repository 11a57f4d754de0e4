import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type BusGate, startBusGate } from './support/bus-gate.ts'
import { type SinkProcess, SinkStage, type SourceMessage } from './support/sink-stage.ts'

// Every external write of a seal, and what can become of it: real processes on a real server and the directory store. One log goes through all rows.

const WRITES = ['stage', 'reserve', 'bundle', 'tile', 'sign', 'checkpoint copy', 'checkpoint'] as const
const FAULTS = ['failed', 'failed but persisted', 'slow', 'killed right after'] as const
/** Longer than `ack_wait`, so that what was sealed is delivered again meanwhile. */
const SLOW_ACK_MS = 6000

let stage: SinkStage
let gate: BusGate
let sink: SinkProcess
const published: SourceMessage[] = []

beforeAll(async () => {
  stage = await SinkStage.start()
  gate = await startBusGate(stage.nats.url, ({ subject, payload }) =>
    subject.startsWith('$JS.ACK.AUDIT') && payload.toString() === '+ACK' ? ['ack'] : [],
  )
  sink = await start()
  await stage.ready(sink)
})
afterAll(async () => {
  await stage?.[Symbol.asyncDispose]()
  await gate?.[Symbol.asyncDispose]()
})

const start = (): Promise<SinkProcess> => stage.startSink('s0', { stepped: true, natsUrl: gate.url })

/** A chain of which the first part is on its way into the log when the fault comes. Returns the rest, which comes after it. */
async function publishPart(): Promise<readonly SourceMessage[]> {
  const chain = await stage.chain(12)
  published.push(...chain)
  await stage.publish(chain.slice(0, 6))
  return chain
}

/** Nobody did anything, but a process that died was started again, as every supervisor does. */
async function expectItGoesOn(chain: readonly SourceMessage[]): Promise<void> {
  await stage.publish(chain.slice(6))
  await stage.publishUntilCovered(chain.slice(-1))
  await stage.until(async () => (await stage.stored('AUDIT')) === 0, 'what is sealed is acknowledged')
  await stage.ready(sink)
  await stage.expectLog(published)
}

describe.each(WRITES)('the write "%s"', (write) => {
  test.each(FAULTS)('%s: the log verifies, has every message exactly once, and goes on by itself', async (fault) => {
    await sink.arm(fault, write)
    const chain = await publishPart()
    const hit = async (): Promise<boolean> => (await sink.hits()).includes(`${fault} ${write}`)
    await stage.until(hit, 'the fault has come')
    if (fault === 'killed right after') {
      await sink.ended
      expect(sink.child.signalCode).toBe('SIGKILL')
      gate.open()
      sink = await start()
    }
    await expectItGoesOn(chain)
  })
})

describe('the write "ack"', () => {
  test('failed: the log verifies, has every message exactly once, and goes on by itself', async () => {
    const held = gate.closeBefore('ack')
    const chain = await publishPart()
    await held
    gate.reconnect()
    await expectItGoesOn(chain)
  })

  test('failed but persisted: the log verifies, has every message exactly once, and goes on by itself', async () => {
    const went = gate.closeAfter('ack')
    const chain = await publishPart()
    await went
    gate.reconnect()
    await expectItGoesOn(chain)
  })

  test('slow: the log verifies, has every message exactly once, and goes on by itself', async () => {
    const held = gate.closeBefore('ack')
    const chain = await publishPart()
    await held
    await sleep(SLOW_ACK_MS)
    gate.reconnect()
    await expectItGoesOn(chain)
  })

  test.each(['before', 'after'] as const)(
    'killed right %s: the log verifies, has every message exactly once, and goes on by itself',
    async (when) => {
      const reached = when === 'before' ? gate.closeBefore('ack') : gate.closeAfter('ack')
      const chain = await publishPart()
      await reached
      await sink.kill()
      gate.open()
      sink = await start()
      await expectItGoesOn(chain)
    },
  )
})
