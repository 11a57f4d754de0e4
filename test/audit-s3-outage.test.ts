import { setTimeout as sleep } from 'node:timers/promises'
import { S3Store } from '@writ/worm-store'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { had, titled } from './support/needs.ts'
import { startS3, type TestS3 } from './support/s3.ts'
import { type S3Fault, type S3FaultProxy, startS3FaultProxy } from './support/s3-fault-proxy.ts'
import { type SinkProcess, SinkStage, type SourceMessage } from './support/sink-stage.ts'

// S3 answers with errors, or not at all, for longer than a sink tries a request again: sources go on into AUDIT, and everything is in the log afterwards.

const OUTAGE_MS = 15_000
const LONG_OUTAGE_MS = 60_000
/** One request may wait for three tries of 10 s. */
const RECOVERED_WITHIN_MS = 90_000
const MIXED: readonly S3Fault[] = [503, 'done, answer lost', 500, 'none', 409, 'timeout', 'none', 'done, answer lost']

const versitygw = await had('versitygw')

describe.skipIf(versitygw.missing !== undefined)(titled('while S3 fails', versitygw), () => {
  let s3: TestS3
  let proxy: S3FaultProxy
  let stage: SinkStage
  let sink: SinkProcess
  const published: SourceMessage[] = []

  beforeAll(async () => {
    s3 = await startS3('versitygw')
    await s3.createBucket('evidence')
    proxy = await startS3FaultProxy(s3.endpoint)
    stage = await SinkStage.start({
      store: 's3://evidence/log',
      env: { ...s3.env, AWS_ENDPOINT_URL_S3: proxy.url },
      open: () => S3Store.open({ bucket: 'evidence', prefix: 'log' }, { client: s3.client() }),
    })
    sink = await stage.startSink('s0', { stepped: true })
    await stage.ready(sink)
  })
  afterAll(async () => {
    await stage?.[Symbol.asyncDispose]()
    await proxy?.[Symbol.asyncDispose]()
    await s3?.stop()
  })

  /** Publishes some messages a second for as long as the outage lasts. */
  async function publishFor(ms: number): Promise<readonly SourceMessage[]> {
    const chain = await stage.chain(60)
    published.push(...chain)
    for (const [at, message] of chain.entries()) {
      await stage.publish([message])
      if (at < chain.length - 1) await sleep(ms / chain.length)
    }
    return chain
  }

  async function expectRecovered(chain: readonly SourceMessage[]): Promise<void> {
    proxy.spoil('none')
    await stage.until(() => stage.covered(chain), 'the log has what came meanwhile', RECOVERED_WITHIN_MS)
    await stage.until(async () => (await stage.stored('AUDIT')) === 0, 'the backlog is drained')
    await stage.ready(sink)
    await stage.expectLog(published)
  }

  test.each<S3Fault>([500, 503, 409, 'timeout', 'done, answer lost'])(
    'every request ends as "%s": AUDIT takes what comes, the sink says what it lacks, and afterwards all is in the log once',
    async (fault) => {
      proxy.spoil(fault)
      const chain = await publishFor(OUTAGE_MS)
      expect(proxy.spoilt()[fault]).toBeGreaterThan(0)
      expect(stage.covered(chain.slice(0, 1)), 'nothing is announced that is not sealed').toBe(false)
      expect(await stage.stored('AUDIT')).toBeGreaterThanOrEqual(chain.length)
      await stage.until(
        async () => {
          const text = await (await fetch(`${sink.health}/readyz`)).text()
          return text.includes('log')
        },
        'the sink is not ready for its log’s sake',
        RECOVERED_WITHIN_MS,
      )
      expect(sink.child.exitCode, 'it lives on').toBeNull()
      await expectRecovered(chain)
    },
  )

  test('requests end in every way in turn, for a minute: what is sealed meanwhile and afterwards is one history', async () => {
    proxy.spoil((n) => MIXED[n % MIXED.length] ?? 'none')
    const chain = await publishFor(LONG_OUTAGE_MS)
    for (const fault of new Set(MIXED)) if (fault !== 'none') expect(proxy.spoilt()[fault]).toBeGreaterThan(0)
    await expectRecovered(chain)
  })
})
