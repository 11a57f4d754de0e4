import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Agent, connectAgents, type RoutedAgent, type SubmittedIntent } from '@writ/agent-sdk'
import { type JurisdictionDirectory, regionToAsk } from '@writ/contracts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { found, foundInFiles } from './support/find-words.ts'
import { type LocalStack, startLocalStack } from './support/local-stack.ts'
import { had, titled } from './support/needs.ts'
import { until } from './support/outsider.ts'
import { Lab, type LabGateway, USER } from './support/promises-lab.ts'
import { startS3, type TestS3 } from './support/s3.ts'
import { type Tap, tapped } from './support/taps.ts'

// Two complete control planes, each with its own NATS, Redis, bucket and keys. What one side does must not reach the other: its NATS server writes down
// every protocol message that it is sent, its bucket is reached through a tap, and what it keeps on its disks is searched afterwards.

const EU = 'eusc-de-east-1'
const US = 'us-east-1'
const DIRECTORY: JurisdictionDirectory = {
  version: 1,
  devices: [
    { pattern: 'eu-*', region: EU },
    { pattern: 'us-*', region: US },
  ],
}

const versitygw = await had('versitygw')

interface Side {
  readonly region: string
  readonly local: LocalStack
  readonly lab: Lab
  readonly gateway: LabGateway
  readonly s3: TestS3
  /** Between this side's services and its bucket. */
  readonly bucket: Tap
  readonly device: string
  /** An agent that acts for a user of this side alone. */
  readonly agent: Agent
  readonly user: string
  readonly agentFolder: string
}

let dir: string
let eu: Side
let us: Side
let both: RoutedAgent

beforeAll(async () => {
  if (versitygw.missing !== undefined) return
  dir = await mkdtemp(join(tmpdir(), 'writ-jurisdictions-'))
  await writeFile(join(dir, 'directory.json'), JSON.stringify(DIRECTORY))
  eu = await start(EU, 'eu-furnace-zq')
  us = await start(US, 'us-furnace-kx')
  both = await connectAgents({ enrolments: [us.agentFolder, eu.agentFolder] })
})

afterAll(async () => {
  await both?.close()
  for (const side of [eu, us].filter((each) => each !== undefined)) {
    await side.lab[Symbol.asyncDispose]()
    await side.local[Symbol.asyncDispose]()
    await side.bucket[Symbol.asyncDispose]()
    await side.s3.stop()
  }
  if (versitygw.missing === undefined) await rm(dir, { recursive: true, force: true })
})

async function start(region: string, device: string): Promise<Side> {
  const s3 = await startS3('versitygw', { region })
  await s3.createBucket(`evidence-${region}`)
  const bucket = await tapped(s3.endpoint)
  const residency = join(dir, `residency-${region}.json`)
  await writeFile(residency, JSON.stringify({ version: 1, jurisdictions: { [region]: demandOf(region, bucket.url) } }))
  const { WRIT_STORE_UNPROVEN: _, ...own } = s3.env
  const env = {
    ...own,
    AWS_ENDPOINT_URL_S3: bucket.url,
    WRIT_RESIDENCY: residency,
    WRIT_STORE: `s3://evidence-${region}/plane`,
    WRIT_DIRECTORY: join(dir, 'directory.json'),
  }
  // `-V`: the server writes down what it is sent, payloads too.
  const local = await startLocalStack(`side-${region}`, env, undefined, {
    region,
    around: async (spec) => (spec.name === 'nats-server' ? { ...spec, args: [...spec.args, '-V'] } : spec),
  })
  const lab = await Lab.open(local)
  const gateway = await lab.gateway(`gw-${region}`)
  await lab.device(device, `gw-${region}`)
  const user = `u-of-${device}`
  return {
    region,
    local,
    lab,
    gateway,
    s3,
    bucket,
    device,
    agent: await lab.newAgent('own-agent', user),
    user,
    agentFolder: local.stack.paths.identity('agent', 'lab-agent'),
  }
}

/** Its own region and partition, and the test's server. */
const demandOf = (region: string, endpoint: string) => ({
  partition: region === EU ? 'aws-eusc' : 'aws',
  bucket_regions: [region],
  endpoints: [endpoint],
  retention_days_min: 190,
  retention_days_max: 400,
})

const traceOf = ({ local }: Side): Promise<string> => readFile(local.stack.paths.log('nats-server'), 'utf8')

/** What one intent names that must stay on its side. */
const wordsOf = (side: Side, purpose: string, parameter: string) => ({
  device: side.device,
  user: side.user,
  purpose,
  parameter,
})

/** Everywhere on a side where words stand: what its NATS server was sent, what went to its bucket, and what lies on its disks. */
async function traces(
  side: Side,
  words: Record<string, string>,
  nats: (trace: string) => string = (trace) => trace,
): Promise<string[]> {
  const inTrace = found('its NATS server', nats(await traceOf(side)), words)
  const inBucket = found('the way to its bucket', side.bucket.bytes(), words)
  const { paths } = side.local.stack
  // The trace is the first of these once more, with the stray agent's own connection in it.
  const [onDisk] = await foundInFiles(side.local.home, words)
  const files = onDisk.filter((where) => !where.endsWith('nats-server.log'))
  expect(paths.log('nats-server').endsWith('nats-server.log')).toBe(true)
  return [...inTrace, ...inBucket, ...files]
}

/** Every intent is settled, and everything about it is in the log. */
async function settled({ lab }: Side): Promise<void> {
  await until(
    'everything is in the log',
    async () => {
      if ((await lab.local.counter('intent-gateway', 'writ_intents_open')) > 0) return false
      const states = await Promise.all(
        ['AUDIT', 'AUDIT_EDGE', 'INTENTS', 'OUTCOMES'].map((name) => lab.jsm.streams.info(name)),
      )
      return states.every(({ state }) => state.messages === 0)
    },
    60_000,
  )
}

const ask = (
  agent: Agent,
  onBehalfOf: string,
  device: string,
  purpose: string,
  seconds: string,
): Promise<SubmittedIntent> =>
  agent.submit({
    action: 'telemetry-read',
    targets: [device],
    onBehalfOf,
    purpose,
    params: { note: seconds },
  })

describe.skipIf(versitygw.missing !== undefined)(titled('G9: two jurisdictions', versitygw), () => {
  test.each([
    ['EU', () => [eu, us]],
    ['US', () => [us, eu]],
  ] as const)(
    'not a byte that names a device, a user, a purpose or a parameter of the %s crosses to the other side',
    async (_, sides) => {
      const [own, other] = sides() as [Side, Side]
      const words = wordsOf(own, `Look at what ${own.region} alone knows`, `parameter-of-${own.region}`)
      own.gateway.behave.set(own.device, () => ({ secret: `result-of-${own.region}` }))
      const intent = await ask(own.agent, own.user, own.device, words.purpose, words.parameter)
      expect((await own.lab.end(intent)).state).toBe('succeeded')
      await settled(own)
      // The taps work: the own side's see what they are there for.
      expect(await traces(own, words)).toEqual(
        expect.arrayContaining(['device', 'user', 'purpose'].map((word) => `${word} in its NATS server`)),
      )
      expect(found('b', own.bucket.bytes(), { origin: `writ.local/${own.region}` })).toHaveLength(1)
      expect(await traces(other, { ...words, result: `result-of-${own.region}` })).toEqual([])
    },
  )

  test('an intent for a device of the other side is refused, with the region to ask; nothing here keeps what it named', async () => {
    const words = { ...wordsOf(eu, 'A stray agent asks in the wrong place', 'stray-parameter'), user: 'u-stray-zq' }
    const stray = await us.lab.newAgent('stray-agent', words.user)
    const before = (await traceOf(us)).length
    const intent = await ask(stray, words.user, eu.device, words.purpose, words.parameter)
    const status = await us.lab.end(intent)
    expect(status).toMatchObject({ state: 'denied', reasons: [{ code: 'wrong_jurisdiction' }], steps: [] })
    expect(status.reasons.map(regionToAsk)).toEqual([EU])
    await settled(us)
    // What the agent itself sent, and that the server handed on, is aside: everything that anybody else sent is not.
    // So is the agent's own record, in which this side's operators name its user.
    const kept = await traces(us, words, (trace) => sentByOthers(trace.slice(before)))
    expect(kept.filter((where) => !isMessageItself(where) && !/^user in .*\/streams\/REGISTRY\//.test(where))).toEqual(
      [],
    )
  })

  test('nor does anything keep its user where the agent may not act for it here', async () => {
    const words = wordsOf(eu, 'A stray agent asks for somebody unknown here', 'another-stray-parameter')
    const intent = await ask(us.agent, words.user, eu.device, words.purpose, words.parameter)
    expect(await us.lab.end(intent)).toMatchObject({ state: 'denied', reasons: [{ code: 'wrong_user' }] })
    await settled(us)
    expect((await traces(us, words, sentByOthers)).filter((where) => !isMessageItself(where))).toEqual([])
  })

  test('the same bytes again get the same answer, and other bytes under the same id are a replay', async () => {
    const request = {
      action: 'telemetry-read',
      targets: [eu.device],
      onBehalfOf: USER,
      purpose: 'Once more.',
      intentId: 'stray-1',
    }
    const first = await us.lab.agent.submit(request)
    expect((await us.lab.end(first)).reasons).toMatchObject([{ code: 'wrong_jurisdiction' }])
    const other = await us.lab.agent.submit({ ...request, purpose: 'Something else.' })
    expect((await us.lab.end(other)).reasons).toMatchObject([{ code: 'replayed' }])
  })

  test('an agent with both enrolments learns where to ask', async () => {
    const purpose = 'Asked at the wrong place first'
    const intent = await both.submit({ action: 'telemetry-read', targets: [eu.device], onBehalfOf: USER, purpose })
    expect(intent.region).toBe(EU)
    expect((await intent.done()).status.state).toBe('succeeded')
    const again = await both.submit({
      action: 'telemetry-read',
      targets: [eu.device],
      onBehalfOf: USER,
      purpose: 'Known by now, and said here alone',
    })
    expect(again.region).toBe(EU)
    expect(await traces(us, { purpose: 'Known by now, and said here alone' })).toEqual([])
    const here = await both.submit({ action: 'telemetry-read', targets: [us.device], onBehalfOf: USER, purpose })
    expect(here.region).toBe(US)
  })

  test('with the directory it never asks at the wrong place, and not for both at once', async () => {
    const routed = await connectAgents({ enrolments: [us.agentFolder, eu.agentFolder], directory: DIRECTORY })
    try {
      const purpose = 'Routed by the directory alone'
      const intent = await routed.submit({ action: 'telemetry-read', targets: [eu.device], onBehalfOf: USER, purpose })
      expect([intent.region, (await intent.done()).status.state]).toEqual([EU, 'succeeded'])
      expect(await traces(us, { purpose })).toEqual([])
      const two = { action: 'telemetry-read', targets: [eu.device, us.device], onBehalfOf: USER, purpose }
      await expect(routed.submit(two)).rejects.toMatchObject({ code: 'wrong_jurisdiction' })
    } finally {
      await routed.close()
    }
  })

  test('so does the command line', async () => {
    const args = [
      'intent',
      'submit',
      '--agent',
      `${us.agentFolder},${eu.agentFolder}`,
      '--directory',
      join(dir, 'directory.json'),
    ]
    const more = [
      '--action',
      'telemetry-read',
      '--target',
      eu.device,
      '--user',
      USER,
      '--purpose',
      'From the command line',
      '--wait',
    ]
    const { json } = await us.local.writ([...args, ...more])
    expect(json).toMatchObject({ ok: true, region: EU, status: { state: 'succeeded' } })
  })

  test('a record whose device or gateway belongs elsewhere is not filed', async () => {
    const device = (id: string, jurisdiction: string) => {
      const place = ['--gateway', `gw-${EU}`, '--group', 'lab', '--jurisdiction', jurisdiction]
      return eu.local.writ(['device', 'create', id, ...place, '--actions', 'restart'], { fails: true })
    }
    const refused = { code: 3, err: expect.stringContaining('wrong_jurisdiction') }
    expect(await device('eu-astray', US)).toMatchObject(refused)
    // By the directory it is the other side's, whatever its record says.
    expect(await device('us-astray', EU)).toMatchObject(refused)
    const gateway = ['gateway', 'create', 'gw-astray', '--jurisdiction', US, '--out', join(dir, 'gw-astray')]
    expect(await eu.local.writ(gateway, { fails: true })).toMatchObject(refused)
  })
})

/** The stream in which the agent's message waited to be taken: what was there is gone from it, not yet from its file. */
const isMessageItself = (where: string): boolean => /\/streams\/INTENTS\//.test(where)

/** Of a server's trace what others than the stray agents sent. What it hands on was sent to it before. */
function sentByOthers(trace: string): string {
  const isAside = (line: string) => /agent_(stray|own|lab)-agent"/.test(line) || line.includes(' - ->> ')
  return trace
    .split('\n')
    .filter((line) => !isAside(line))
    .join('\n')
}
