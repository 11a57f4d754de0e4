import { afterEach, beforeEach, expect, test } from 'vitest'
import { type SinkProcess, SinkStage } from './support/sink-stage.ts'

// A replica of audit-sink that is killed or stopped is replaced by a standby within 10 s: that is the promise, so it is the bound.

const PROMISE_MS = 10_000

let stage: SinkStage
beforeEach(async () => {
  stage = await SinkStage.start()
})
afterEach(() => stage?.[Symbol.asyncDispose]())

/** How long a message waits for its seal. It is sent once: nothing but the standby brings it into the log. */
async function sealedAfterMs(): Promise<number> {
  const chain = await stage.chain(1)
  const begin = performance.now()
  await stage.publish(chain)
  await stage.until(() => stage.covered(chain), 'the standby seals it', 60_000)
  await stage.expectLog(chain)
  return performance.now() - begin
}

/** The active one alone has pulled from the streams before the standby comes, so that the next deliveries are its. */
async function activeAndStandby(): Promise<readonly [active: SinkProcess, standby: SinkProcess]> {
  const active = await stage.startSink('s0', { stepped: true })
  await stage.ready(active)
  await sealedAfterMs()
  const standby = await stage.startSink('s1', { stepped: true })
  await stage.ready(standby)
  return [active, standby]
}

test('killed (-9): the standby seals what comes next within 10 s', async () => {
  const [active] = await activeAndStandby()
  await active.kill()
  expect(await sealedAfterMs()).toBeLessThan(PROMISE_MS)
})

test('stopped (SIGSTOP), with its connection open and deliveries going to it: the standby seals each within 10 s', async () => {
  const [active] = await activeAndStandby()
  active.child.kill('SIGSTOP')
  for (let n = 0; n < 3; n++) expect(await sealedAfterMs()).toBeLessThan(PROMISE_MS)
  active.child.kill('SIGCONT')
  await stage.ready(active)
})

test.each(['reserve', 'bundle', 'sign', 'checkpoint copy', 'checkpoint'])(
  'killed (-9) right after "%s", with a seal unfinished: the standby finishes it within 10 s',
  async (step) => {
    const [active] = await activeAndStandby()
    await active.arm('killed right after', step)
    const chain = await stage.chain(1)
    // Both may seal it; the active one dies at the first such step of its own.
    const extra = async (): Promise<boolean> => {
      await stage.publish(await stage.chain(1))
      return (await active.hits()).length > 0
    }
    await stage.until(extra, 'the active one dies in the middle of a seal')
    await active.ended
    const begin = performance.now()
    await stage.publish(chain)
    await stage.until(() => stage.covered(chain), 'the standby goes on', 60_000)
    expect(performance.now() - begin).toBeLessThan(PROMISE_MS)
    await stage.expectLog(chain)
  },
)
