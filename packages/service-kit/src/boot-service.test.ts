import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { formatCheckpoint, formatNote, parseVkey } from '@writ/audit'
import { type Bus, connectBus } from '@writ/bus'
import {
  type AuditMessage,
  auditMessage,
  controlMessage,
  type IdentityKind,
  keyMessage,
  type ServiceRole,
  sealedMessage,
  subjects,
} from '@writ/contracts'
import { ephemeralSigner, openMessage, openSigner, type Signer, signMessage, verifyJws } from '@writ/keys'
import {
  connectStore,
  createCredentials,
  createPlane,
  enrol,
  ensureStreams,
  type Plane,
  planePaths,
  serverConfig,
} from '@writ/plane'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { resolveTool } from '../../tools/src/index.ts'
import { bootService, type ServiceContext } from './boot-service.ts'
import type { CommonConfig } from './read-env.ts'
import { SigningKey } from './signing-key.ts'
import { Teardown } from './teardown.ts'

const region = 'eusc-de-east-1'
const at = subjects(region)
const role: ServiceRole = 'policy-evaluator'
const nowSeconds = () => Math.floor(Date.now() / 1000)

let dir: string
let plane: Plane
let server: ChildProcess
let monitor: string
let operator: Bus
let root: Signer
let storeBus: Awaited<ReturnType<typeof connectStore>>
let controlSeq = 0
let boots = 0
const teardowns: Teardown[] = []

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'writ-kit-'))
  const [port, monitorPort] = [await freePort(), await freePort()]
  monitor = `http://127.0.0.1:${monitorPort}`
  plane = await createPlane({ dir, region, natsUrl: `nats://127.0.0.1:${port}`, logName: `writ.test/${region}` })
  await writeFile(join(dir, 'nats.conf'), await serverConfig(plane, { dataDir: join(dir, 'data'), port, monitorPort }))
  const { path } = await resolveTool('nats-server', { env: process.env, log: () => undefined })
  server = spawn(path, ['-c', join(dir, 'nats.conf')], { stdio: 'ignore' })
  storeBus = await connectStore(plane, { waitMs: 20_000 })
  await ensureStreams(storeBus, { region })
  root = await openSigner(`file:${planePaths(plane.dir).rootOperatorKey}`)
  operator = await connectAs('operator', 'root')
}, 120_000)

afterAll(async () => {
  await operator?.[Symbol.asyncDispose]()
  await storeBus?.close()
  const exited = once(server, 'exit')
  server.kill('SIGKILL')
  await exited
  await rm(dir, { recursive: true, force: true })
})

let config: CommonConfig
beforeEach(async () => {
  const { enrolmentFile } = await enrol(plane, { kind: role, id: `pe-${boots++}`, outDir: join(dir, `pe-${boots}`) })
  config = {
    enrolmentFile,
    stateDir: join(dir, `state-${boots}`),
    anchorKey: `file:${planePaths(plane.dir).anchorKey(role)}`,
    healthPort: 0,
    healthHost: '127.0.0.1',
    logLevel: 'silent',
    mode: 'production',
    natsMonitor: monitor,
    replicas: 1,
    auditOutboxBytes: 64 * 2 ** 20,
    stopTimeoutMs: 5000,
  }
})
afterEach(async () => {
  for (const teardown of teardowns.splice(0)) await teardown[Symbol.asyncDispose]()
})

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as { port: number }
  probe.close()
  return port
}

async function connectAs(kind: IdentityKind, id: string): Promise<Bus> {
  const credentials = new TextDecoder().decode((await createCredentials(plane, kind, id)).creds)
  return connectBus({ servers: plane.natsUrl, credentials, region, kind, id })
}

async function boot(signal = AbortSignal.timeout(20_000), changes: Partial<CommonConfig> = {}) {
  const teardown = new Teardown()
  teardowns.push(teardown)
  const context = await bootService(role, { ...config, ...changes }, teardown, signal)
  return { context, teardown }
}

async function control(claims: object): Promise<void> {
  const message = await signMessage(root, controlMessage, {
    iss: 'root',
    aud: `writ:${region}`,
    iat: nowSeconds(),
    jti: `c${controlSeq}-${Date.now()}`,
    prev: controlSeq,
    reason: 'test',
    ...claims,
  } as never)
  const { seq } = await operator.store(at.control('root'), message, {
    stream: 'CONTROL',
    expectLast: { seq: controlSeq, subject: at.controlAll },
  })
  controlSeq = seq
}

/** What the AUDIT stream holds of a service, signatures verified. */
async function audited({ instance, boot: run, signer }: ServiceContext): Promise<AuditMessage[]> {
  const sink = await connectAs('audit-sink', 'as-reader')
  const found: AuditMessage[] = []
  for await (const { data } of sink.read('AUDIT', { fromSeq: 1, filter: at.audit(role, instance, run) })) {
    const { jws, claims } = openMessage(auditMessage, data)
    verifyJws(jws, signer.jwk)
    found.push(claims)
  }
  await sink[Symbol.asyncDispose]()
  return found
}

const readyz = async (url: string) => {
  const response = await fetch(`${url}/readyz`)
  return {
    status: response.status,
    body: (await response.json()) as { ready: boolean; checks: Record<string, string> },
  }
}

/** Runs first: the others need the genesis. */
test('before genesis the service is alive and not ready, signs nothing, and goes on by itself after it', async () => {
  const healthPort = await freePort()
  const booting = boot(AbortSignal.timeout(20_000), { healthPort })
  const url = `http://127.0.0.1:${healthPort}`
  await vi.waitFor(
    async () => {
      const { status, body } = await readyz(url)
      expect(status).toBe(503)
      expect(body.checks['phase']).toContain('no genesis')
    },
    { timeout: 10_000, interval: 50 },
  )
  expect((await fetch(`${url}/healthz`)).status).toBe(200)
  expect(await operator.lastFor('SIGNERS', [at.registry('key', 'x').replace(/x$/, '*')])).toEqual([])
  await control({ command: 'genesis', stream: 'stream-1' })
  const { context } = await booting
  expect(context.follower.rev()).toEqual({ stream: 'stream-1', seq: controlSeq })
  expect((await readyz(url)).status).toBe(503)
  const open = context.health.open()
  expect(await readyz(url)).toMatchObject({ status: 200, body: { ready: true, checks: { bus: 'ok', audit: 'ok' } } })
  await open[Symbol.asyncDispose]()
  expect((await readyz(url)).body.checks['phase']).toBe('stopping')
})

describe('a started service', () => {
  test('has its key endorsed and filed, and its start recorded with the endorsement before anything else', async () => {
    const { context, teardown } = await boot()
    const { trust } = context.authority
    expect(trust.serviceKey(role, context.signer.kid, nowSeconds())).toEqual(context.signer.jwk)
    await teardown[Symbol.asyncDispose]()
    const messages = await audited(context)
    const events = messages.flatMap((message) => message.events)
    expect(events.map(({ type }) => type)).toEqual(['source.started', 'source.stopped'])
    const endorsement = events[0]?.documents?.[0]
    expect(openMessage(keyMessage, endorsement?.jws ?? '').claims).toMatchObject({
      role,
      kid: context.signer.kid,
      instance: context.instance,
      boot: context.boot,
    })
  })

  test('names its previous boot, under another key', async () => {
    const first = await boot()
    await first.teardown[Symbol.asyncDispose]()
    const second = await boot()
    expect(second.context.signer.kid).not.toBe(first.context.signer.kid)
    const [started] = await audited(second.context)
    expect(started?.events[0]?.detail).toMatchObject({
      previous: { source: `${role}/${first.context.instance}/${first.context.boot}`, seq: 1 },
    })
  })

  test('holds its directory against a second process of the same instance', async () => {
    await boot()
    await expect(boot()).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('Another') })
  })

  test('applies what operators withdraw at once, tells listeners, and knows its position after a restart', async () => {
    const { context, teardown } = await boot()
    const heard = vi.fn()
    context.follower.onControl(heard)
    await control({ command: 'revoke', scope: 'agent', id: 'agent-1' })
    await vi.waitFor(() => expect(heard).toHaveBeenCalledOnce())
    expect(context.authority.control.refusalOf({ agent: 'agent-1' })?.code).toBe('revoked')
    expect(heard.mock.calls[0]?.[0]).toMatchObject({ kind: 'applied', seq: controlSeq })
    await teardown[Symbol.asyncDispose]()
    const kept = JSON.parse(await readFile(join(config.stateDir, 'control.json'), 'utf8')) as object
    expect(kept).toMatchObject({ stream: 'stream-1', seq: controlSeq })
  })

  test('skips a void message and says so', async () => {
    const { context } = await boot()
    const heard = vi.fn()
    context.follower.onControl(heard)
    await control({ command: 'lift', lifts: 1, iss: 'somebody-else' })
    await vi.waitFor(() => expect(heard).toHaveBeenCalledOnce())
    expect(heard.mock.calls[0]?.[0]).toMatchObject({ kind: 'void', reason: { code: 'wrong_subject' } })
    expect(context.follower.problem).toBeUndefined()
  })

  test('lets go of audit messages that a signed seal and checkpoint cover, and of none that a forged one names', async () => {
    const { context } = await boot()
    const sink = await connectAs('audit-sink', 'as-0')
    const name = `${role}/${context.instance}/${context.boot}`
    const key = ephemeralSigner()
    const seal = async (signer: Signer, logKey: Signer) => {
      const text = formatCheckpoint({ origin: plane.logName, size: 1, root: new Uint8Array(32), extensions: [] })
      const signature = await logKey.sign(Buffer.from(text))
      const checkpoint = formatNote(text, [{ verifier: parseVkey(plane.logVkey), signature }])
      const claims = { iss: 'audit-sink', aud: `writ:${region}`, iat: nowSeconds(), checkpoint, heads: { [name]: 0 } }
      sink.publish(at.sealed, await signMessage(signer, sealedMessage, claims))
    }
    const paths = planePaths(plane.dir)
    const anchor = await openSigner(`file:${paths.anchorKey('audit-sink')}`)
    const iat = nowSeconds()
    const endorsed = { role: 'audit-sink', kid: key.kid, jwk: key.jwk, instance: 'as-0', boot: 'b1' } as const
    const endorsement = await signMessage(anchor, keyMessage, {
      iss: 'audit-sink',
      aud: `writ:${region}`,
      iat,
      exp: iat + 3600,
      ...endorsed,
    })
    await sink.store(at.registry('key', key.kid), endorsement, { stream: 'SIGNERS' })
    const logKey = await openSigner(`file:${paths.logKey}`)
    const warned = vi.spyOn(context.log, 'warn')
    await seal(key, { ...logKey, sign: () => new Uint8Array(64) })
    await vi.waitFor(() => expect(warned).toHaveBeenCalledOnce())
    await seal({ ...key, sign: () => new Uint8Array(64) }, logKey)
    await vi.waitFor(() => expect(warned).toHaveBeenCalledTimes(2))
    expect(context.audit.stats.uncovered).toBe(1)
    await seal(key, logKey)
    await vi.waitFor(() => expect(context.audit.stats.uncovered).toBe(0))
    await sink[Symbol.asyncDispose]()
  })

  test('records what it refused by id and code, once for many', async () => {
    const { context, teardown } = await boot()
    for (let n = 0; n < 1000; n++) context.refused.count('agent-7', 'bad_signature')
    context.refused.count('not an id\n', 'malformed')
    await teardown[Symbol.asyncDispose]()
    const refusals = (await audited(context)).flatMap(({ events }) =>
      events.filter(({ type }) => type === 'messages.refused').map(({ detail, reasons }) => ({ detail, reasons })),
    )
    expect(refusals).toEqual([
      { detail: { id: 'agent-7', count: 1000 }, reasons: ['bad_signature'] },
      { detail: { id: '_others', count: 1 }, reasons: ['malformed'] },
    ])
  })
})

describe('a signing key', () => {
  const makeKey = async ({ bus, follower, boot: run, instance }: ServiceContext, nowSeconds_: () => number) => {
    const anchor = await openSigner(config.anchorKey)
    const report = () => undefined
    const options = { role, instance, boot: run, anchor, bus, follower, report, lifetimeSeconds: 1000 }
    return SigningKey.make({ ...options, nowSeconds: nowSeconds_ })
  }
  const data = Buffer.from('data')

  test('does not sign once its endorsement has expired, and signs again under a new one', async () => {
    const { context } = await boot()
    let now = nowSeconds()
    const key = await makeKey(context, () => now)
    expect(await key.signer.sign(data)).toHaveLength(64)
    now += 1000
    expect(() => key.signer.sign(data)).toThrow(expect.objectContaining({ code: 'unavailable' }) as Error)
    expect(key.problem).toContain('No endorsement')
    const kid = key.signer.kid
    await key.endorse()
    expect(await key.signer.sign(data)).toHaveLength(64)
    expect(key.signer.kid).toBe(kid)
    expect(context.authority.trust.endorsementsOf(kid)).toHaveLength(2)
  })

  test('is endorsed again at half of its time, and the new endorsement is handed on to be recorded', async () => {
    const { context } = await boot()
    let now = nowSeconds()
    const key = await makeKey(context, () => now)
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    try {
      const renewed = vi.fn(async () => undefined)
      key.keepEndorsed(renewed)
      now += 499
      await vi.advanceTimersByTimeAsync(30_000)
      now += 1
      await vi.advanceTimersByTimeAsync(30_000)
      vi.useRealTimers()
      await vi.waitFor(() => expect(renewed).toHaveBeenCalledExactlyOnceWith(key.endorsement))
      expect(openMessage(keyMessage, key.endorsement).claims.iat).toBe(now)
    } finally {
      vi.useRealTimers()
      await key[Symbol.asyncDispose]()
    }
  })

  test('that an operator revoked is a reason not to be ready', async () => {
    const { context } = await boot()
    teardowns[0]?.use(context.health.open())
    await control({ command: 'revoke', scope: 'key', id: context.signer.kid })
    await vi.waitFor(async () => {
      const { status, body } = await readyz(context.healthUrl)
      expect(status).toBe(503)
      expect(body.checks['key']).toContain('revoked')
    })
  })
})

describe('a service does not start', () => {
  test('while CONTROL holds less than it once read, or another message there', async () => {
    const { teardown } = await boot()
    await teardown[Symbol.asyncDispose]()
    const path = join(config.stateDir, 'control.json')
    const known = JSON.parse(await readFile(path, 'utf8')) as { seq: number; digest: string; stream: string }
    for (const changed of [
      { ...known, seq: known.seq + 1000 },
      { ...known, digest: 'A'.repeat(43) },
      { ...known, stream: 'stream-0' },
    ]) {
      await writeFile(path, JSON.stringify(changed))
      const reasons: string[] = []
      const healthPort = await freePort()
      const stop = new AbortController()
      const booting = boot(stop.signal, { healthPort })
      booting.catch(() => {})
      await vi.waitFor(
        async () => {
          reasons.push((await readyz(`http://127.0.0.1:${healthPort}`)).body.checks['control'] ?? '')
          expect(reasons.at(-1)).toMatch(/CONTROL (holds (less|another message)|is another stream)/)
        },
        { timeout: 5000 },
      )
      stop.abort()
      await expect(booting).rejects.toMatchObject({ name: 'AbortError' })
      for (const started of teardowns.splice(0)) await started[Symbol.asyncDispose]()
    }
    await writeFile(path, '{"stream":"stream-1"}')
    await expect(boot()).rejects.toMatchObject({ code: 'malformed' })
  })

  test('with the anchor or the enrolment of another role', async () => {
    const anchorKey = `file:${planePaths(plane.dir).anchorKey('token-issuer')}`
    await expect(boot(undefined, { anchorKey })).rejects.toMatchObject({ code: 'malformed' })
    const other = await enrol(plane, { kind: 'token-issuer', id: 'ti-0', outDir: join(dir, 'ti-0') })
    await expect(boot(undefined, { enrolmentFile: other.enrolmentFile })).rejects.toMatchObject({ code: 'malformed' })
  })

  test('when a stream is not as it must be, and repairs nothing', async () => {
    const change = async (settings: object) => {
      const reply = await storeBus.request('$JS.API.STREAM.INFO.REPORTS', '')
      const found = (reply.json() as { config: object }).config
      const updated = await storeBus.request('$JS.API.STREAM.UPDATE.REPORTS', JSON.stringify({ ...found, ...settings }))
      expect(updated.json()).not.toHaveProperty('error')
    }
    await change({ max_age: 0 })
    await expect(boot()).rejects.toMatchObject({
      code: 'malformed',
      message: expect.stringContaining('REPORTS has another max_age'),
    })
    for (const refused of teardowns.splice(0)) await refused[Symbol.asyncDispose]()
    await change({ max_age: 7 * 86_400e9 })
    await boot()
  })

  test('with fewer replicas than it was told to expect', async () => {
    await expect(boot(undefined, { replicas: 3 })).rejects.toMatchObject({
      code: 'malformed',
      message: expect.stringContaining('fewer than 3 replicas'),
    })
  })
})

test('a lost bus makes it not ready, and its return ready again', async () => {
  const { context } = await boot()
  teardowns[0]?.use(context.health.open())
  expect((await readyz(context.healthUrl)).status).toBe(200)
  const exited = once(server, 'exit')
  server.kill('SIGKILL')
  await exited
  await vi.waitFor(async () => expect((await readyz(context.healthUrl)).body.checks['bus']).not.toBe('ok'))
  const { path } = await resolveTool('nats-server', { env: process.env, log: () => undefined })
  server = spawn(path, ['-c', join(dir, 'nats.conf')], { stdio: 'ignore' })
  await vi.waitFor(async () => expect((await readyz(context.healthUrl)).status).toBe(200), { timeout: 15_000 })
}, 30_000)
