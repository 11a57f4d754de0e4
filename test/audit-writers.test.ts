import { ephemeralSigner } from '@writ/keys'
import { S3Store } from '@writ/worm-store'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Had, had, titled } from './support/needs.ts'
import { startS3, type TestS3 } from './support/s3.ts'
import { type SinkProcess, SinkStage, type SourceMessage } from './support/sink-stage.ts'

// Three audit-sinks as processes on one store and one bus. One of them is stopped (SIGSTOP) exactly between two steps of a seal; meanwhile the others
// seal, AUDIT is lost and made anew, and a key is endorsed of which the stopped one knows nothing.

const STEPS = [
  'stage',
  'reserve',
  'list versions',
  'bundle',
  'tile',
  'read back',
  'sign',
  'checkpoint copy',
  'checkpoint',
]

const versitygw = await had('versitygw')

let s3: TestS3 | undefined
let stage: SinkStage
let sinks: readonly SinkProcess[]
let published: SourceMessage[]

const STORES = {
  'a directory': () => SinkStage.start(),
  'a bucket of versitygw': async () => {
    const server = await startS3('versitygw')
    s3 = server
    await server.createBucket('evidence')
    return await SinkStage.start({
      store: 's3://evidence/log',
      env: server.env,
      open: () => S3Store.open({ bucket: 'evidence', prefix: 'log' }, { client: server.client() }),
    })
  },
} as const

async function hit(sink: SinkProcess, step: string, before: number): Promise<boolean> {
  return (await sink.hits()).filter((line) => line === `stopped right before ${step}`).length > before
}

/** Publishes until the sink comes to the step and stops there: the others may seal what it would have sealed. */
async function stopAt(sink: SinkProcess, step: string): Promise<void> {
  const before = (await sink.hits()).filter((line) => line === `stopped right before ${step}`).length
  await sink.arm('stopped right before', step)
  await stage.until(async () => {
    const some = await stage.chain(4)
    published.push(...some)
    await stage.publish(some)
    return await hit(sink, step, before)
  }, `${step} is reached`)
}

for (const [where, start] of Object.entries(STORES)) {
  const server: Had = where === 'a directory' ? { path: '' } : versitygw
  describe.skipIf(server.missing !== undefined)(titled(`three writers on one log in ${where}`, server), () => {
    beforeAll(async () => {
      published = []
      stage = await start()
      sinks = await Promise.all(['s0', 's1', 's2'].map((instance) => stage.startSink(instance, { stepped: true })))
      for (const sink of sinks) await stage.ready(sink)
    })
    afterAll(async () => {
      await stage?.[Symbol.asyncDispose]()
      await s3?.stop()
      s3 = undefined
    })

    test.each(STEPS)(
      'one of them stopped right before "%s": all notes ever signed are of one history',
      async (step) => {
        const [a] = sinks
        if (a === undefined) throw new Error('no sink')
        await stopAt(a, step)
        const key = ephemeralSigner()
        await stage.endorse(key)
        const [known, unknown, edge] = [
          await stage.chain(40, { key }),
          await stage.chain(20),
          await stage.chain(20, { kind: 'gateway' }),
        ]
        published.push(...known, ...unknown, ...edge)
        await stage.publish(known.slice(0, 30))
        await stage.rebuildAudit()
        await Promise.all([known, unknown, edge].map((chain) => stage.publish(chain)))
        await Promise.all([known, unknown, edge].map((chain) => stage.publishUntilCovered(chain)))
        a.child.kill('SIGCONT')
        await stage.publishUntilCovered(published)
        await stage.expectLog(published)
        expect(await stage.notes()).not.toEqual([])
      },
    )

    test('two of them stopped between two steps each: the third goes on, and all notes ever signed are of one history', async () => {
      const [a, b] = sinks
      if (a === undefined || b === undefined) throw new Error('no sinks')
      await stopAt(a, 'reserve')
      await stopAt(b, 'checkpoint copy')
      const chain = await stage.chain(300)
      published.push(...chain)
      await stage.publishUntilCovered(chain)
      await stage.rebuildAudit()
      b.child.kill('SIGCONT')
      a.child.kill('SIGCONT')
      await stage.publishUntilCovered(published)
      await stage.expectLog(published)
    })

    test('stopped and continued at any instant, again and again, while messages come', async () => {
      const chains = [await stage.chain(300), await stage.chain(200, { kind: 'gateway' })]
      published.push(...chains.flat())
      let done = false
      const publishing = Promise.all(chains.map((chain) => stage.publishUntilCovered(chain))).finally(() => {
        done = true
      })
      for (let round = 0; !done; round++) {
        const sink = sinks[round % sinks.length]
        sink?.child.kill('SIGSTOP')
        await new Promise((resolve) => setTimeout(resolve, 30 + ((round * 37) % 150)))
        sink?.child.kill('SIGCONT')
      }
      await publishing
      await stage.expectLog(published)
    })
  })
}
