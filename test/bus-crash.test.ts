import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type Agent, connectAgent, type FinishedIntent, type SubmittedIntent } from '@writ/agent-sdk'
import { evidenceReport, type Stack } from '@writ/local'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type LocalStack, startLocalStack } from './support/local-stack.ts'

const SEED = 20_261_124
const INTENTS = 12
const KILLS = 5

let local: LocalStack
let stack: Stack
let agent: Agent

beforeAll(async () => {
  local = await startLocalStack('bus-crash')
  stack = local.stack
  agent = await connectAgent({ enrolment: stack.paths.identity('agent', 'maintenance') })
})
afterAll(async () => {
  await agent?.[Symbol.asyncDispose]()
  await local?.[Symbol.asyncDispose]()
})

describe('G4, G5, G12: nats-server is killed, and loses what it had acknowledged of INTENTS, PLANS, OUTCOMES and STATUS', () => {
  test('every intent ends as it should with its outcomes, and each step has run once', async () => {
    const random = seeded(SEED)
    const ends: Promise<FinishedIntent>[] = []
    const killing = killAtTimes(Array.from({ length: KILLS }, () => Math.floor(random() * 2500)))
    for (let n = 0; n < INTENTS; n++) {
      const intent = await submit(n)
      ends.push(intent.done(AbortSignal.timeout(90_000)))
      await delay(Math.floor(random() * 1000))
    }
    await killing
    const finished = await Promise.all(ends)
    for (const { status, outcomes } of finished) {
      // A redeem that nobody answered in time began nothing: that is an end too, and the gateway says which.
      const code = status.reasons[0]?.code
      const ended = code === 'too_late' ? ['failed', 'refused'] : ['succeeded', 'succeeded']
      expect([status.state, ...outcomes.map(({ state }) => state)], local.said.join('\n')).toEqual(ended)
      expect(outcomes[0]?.intent_digest).toBe(status.intent_digest)
    }
    const { restarts } = JSON.parse(
      await readFile(join(stack.paths.plant, 'gw-press-hall', 'devices', 'press-07.json'), 'utf8'),
    ) as { restarts: number }
    const succeeded = finished.flatMap(({ outcomes }) => outcomes.filter(({ state }) => state === 'succeeded'))
    expect(restarts).toBe(succeeded.filter(({ action }) => action === 'restart').length)
    expect(succeeded.length).toBeGreaterThan(INTENTS / 2)
  })

  test('afterwards the evidence verifies', async () => {
    await stack.untilReady()
    expect(await evidenceReport(stack)).toMatchObject({ ok: true, findings: [] })
  })
})

/** Restarts and reads, in turns. */
function submit(n: number): Promise<SubmittedIntent> {
  return agent.submit({
    action: n % 2 === 0 ? 'restart' : 'telemetry-read',
    targets: [n % 2 === 0 ? 'press-07' : 'temp-11'],
    onBehalfOf: 'u-anna',
    purpose: 'Go on while the bus dies.',
  })
}

async function killAtTimes(waitsMs: readonly number[]): Promise<void> {
  for (const ms of waitsMs) {
    await delay(ms)
    const pid = stack.pidOf('nats-server')
    if (pid === undefined) throw new Error('nats-server does not run')
    process.kill(pid, 'SIGKILL')
    await loseUnflushed()
    await delay(1000)
  }
}

/** What a server that dies may lose of streams that it does not flush: here, everything. It is away for 250 ms at least. */
async function loseUnflushed(): Promise<void> {
  const dirs = await readdir(stack.paths.nats, { recursive: true })
  const lost = dirs.filter((path) => /\/streams\/(INTENTS|PLANS|OUTCOMES|STATUS)\/msgs$/.test(path))
  if (lost.length !== 4) throw new Error(`not the four streams: ${lost.join(', ')}`)
  await Promise.all(lost.map((path) => rm(join(stack.paths.nats, path), { recursive: true })))
}

/** mulberry32: the same numbers for the same seed. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
