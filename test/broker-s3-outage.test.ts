import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { SubmittedIntent } from '@writ/agent-sdk'
import { entriesAbout } from '@writ/audit'
import type { ResidencyDemand } from '@writ/contracts'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type LocalStack, REGION, startLocalStack } from './support/local-stack.ts'
import { had, titled } from './support/needs.ts'
import { until } from './support/outsider.ts'
import { Lab, type LabGateway } from './support/promises-lab.ts'
import { startS3, type TestS3 } from './support/s3.ts'
import { type S3FaultProxy, startS3FaultProxy } from './support/s3-fault-proxy.ts'

// The whole system on a bucket that does not answer for a while. G4's "durable" is the flushed stream and the source's own outbox, so effects go on as long
// as AUDIT takes their records; when it is full they wait, and nothing else does.

/** What AUDIT may hold beyond what is in it when the outage begins. */
const ROOM_BYTES = 256 * 1024
const versitygw = await had('versitygw')

describe.skipIf(versitygw.missing !== undefined)(titled('while S3 does not take the log', versitygw), () => {
  let dir: string
  let s3: TestS3
  let proxy: S3FaultProxy
  let local: LocalStack
  let lab: Lab
  let gateway: LabGateway

  beforeAll(async () => {
    s3 = await startS3('versitygw')
    await s3.createBucket('evidence')
    proxy = await startS3FaultProxy(s3.endpoint)
    dir = await mkdtemp(join(tmpdir(), 'writ-outage-'))
    const demand: ResidencyDemand = {
      partition: 'aws-eusc',
      bucket_regions: [s3.region],
      endpoints: [proxy.url],
      retention_days_min: 190,
      retention_days_max: 2284,
    }
    const residency = join(dir, 'residency.json')
    await writeFile(residency, JSON.stringify({ version: 1, jurisdictions: { [REGION]: demand } }))
    const env = {
      ...s3.env,
      AWS_ENDPOINT_URL_S3: proxy.url,
      WRIT_STORE: 's3://evidence/plane',
      WRIT_RESIDENCY: residency,
      WRIT_STORE_UNPROVEN: '',
    }
    for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value)
    local = await startLocalStack('outage', env)
    lab = await Lab.open(local)
    gateway = await lab.gateway('gw-lab')
    await lab.device('lab-1', 'gw-lab')
    await lab.device('lab-2', 'gw-lab')
  })
  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]()
    await local?.[Symbol.asyncDispose]()
    await proxy?.[Symbol.asyncDispose]()
    await s3?.stop()
    await rm(dir, { recursive: true, force: true })
    vi.unstubAllEnvs()
  })

  const bytesOf = async (stream: string): Promise<number> => (await lab.jsm.streams.info(stream)).state.bytes

  test('effects go on while AUDIT takes their records, then wait; a revoke works; afterwards the backlog drains and nothing is missing', async () => {
    await lab.end(await lab.submit(['lab-1']))
    const { max_bytes } = (await lab.jsm.streams.info('AUDIT')).config
    proxy.spoil((n) => ([503, 500, 'timeout'] as const)[n % 3] ?? 503)
    const limit = (await bytesOf('AUDIT')) + ROOM_BYTES
    await lab.jsm.streams.update('AUDIT', { max_bytes: limit })

    const done: SubmittedIntent[] = []
    let waiting: SubmittedIntent | undefined
    for (let left = 200; left > 0 && waiting === undefined; left--) {
      const intent = await lab.submit(['lab-1'])
      const ended = await intent.done(AbortSignal.timeout(10_000)).catch(() => undefined)
      if (ended === undefined) waiting = intent
      else if (ended.status.state === 'succeeded') done.push(intent)
      // Its plan was recorded and its redeem found no room any more.
      else expect(gateway.callsOf(intent), 'an effect is recorded, or it does not happen').toEqual([])
    }
    if (waiting === undefined) throw new Error('AUDIT was never full')
    expect(done.length, 'effects go on while AUDIT takes their records').toBeGreaterThan(2)
    expect(['accepted', 'approved']).toContain((await lab.state(waiting)).state)
    expect(gateway.callsOf(waiting)).toEqual([])
    expect(await bytesOf('AUDIT'), 'the backlog is bounded').toBeLessThanOrEqual(limit)

    const second = await lab.submit(['lab-2'])
    await sleep(3000)
    expect(gateway.callsOf(second), 'no effect without its record').toEqual([])
    const revoked = await lab.revoke('device', 'lab-2')
    await until('the gateway has applied it', () => (gateway.gateway.status().control?.seq ?? 0) >= revoked)

    proxy.spoil('none')
    const ended = await waiting.done(AbortSignal.timeout(90_000))
    expect(['succeeded', 'expired', 'failed', 'denied']).toContain(ended.status.state)
    expect((await second.done(AbortSignal.timeout(90_000))).status.state, 'it was revoked while it waited').not.toBe(
      'succeeded',
    )
    expect(gateway.callsOf(second)).toEqual([])
    await lab.jsm.streams.update('AUDIT', { max_bytes })
    await until('the backlog is drained', async () => (await lab.jsm.streams.info('AUDIT')).state.messages === 0)
    const reader = await lab.stack.store.openReader()
    for (const intent of done)
      await until(`the log has what became of ${intent.id}`, async () => {
        const types = (await entriesAbout(reader, lab.stack.plane.logName, intent.digest)).flatMap(
          (entry) => entry.types,
        )
        const wanted = [
          'intent.accepted',
          'policy.decided',
          'token.issued',
          'plan.dispatched',
          'token.redeemed',
          'action.started',
          'action.succeeded',
        ]
        return wanted.every((type) => types.includes(type))
      })
    await lab.lift(revoked, 'lab-2')
    const trust = join(lab.stack.paths.identity('agent', 'lab-agent'), 'enrolment.json')
    const place = ['s3://evidence/plane', '--trust', trust, '--vkey', lab.stack.plane.logVkey]
    const { json } = await local.writ(['audit', 'verify', ...place], { fails: true })
    expect(json['findings']).toEqual([])
  })
})
