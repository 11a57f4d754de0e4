import { type Agent, openSession, type Session, type SubmittedIntent } from '@writ/agent-sdk'
import { intentMessage, JSON_VALUE_BYTES_MAX, type Status, statusMessage, subjects, TARGETS_MAX } from '@writ/contracts'
import { canonicalJson, digestOf, openMessage, signJws } from '@writ/keys'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type LocalStack, REGION, startLocalStack } from './support/local-stack.ts'
import { until } from './support/outsider.ts'
import { Lab, type LabGateway, USER } from './support/promises-lab.ts'

// The largest intent that CONTRACT allows, through the whole running stack, and one that is one byte or one target larger.

/** Names as long as names may be; the records of a hundred such do not go into one plan. */
const named = (prefix: string, n: number): string => `${prefix}-${n}-`.padEnd(64, 'x')
const ONE = Array.from({ length: TARGETS_MAX }, (_, n) => `one-${n}`)
const THREE = Array.from({ length: TARGETS_MAX }, (_, n) => named('three', n))
const LONG = Array.from({ length: TARGETS_MAX }, (_, n) => named('one', n))
const GATEWAYS = ['gw-three-0', 'gw-three-1', 'gw-three-2']
/** `{"text":""}` and the text. */
const params = (bytes: number) => ({ text: 'x'.repeat(bytes - 11) })

let local: LocalStack
let lab: Lab
let agent: Agent
let session: Session
const gateways = new Map<string, LabGateway>()

beforeAll(async () => {
  local = await startLocalStack('limits')
  lab = await Lab.open(local)
  agent = await lab.newAgent('large-agent')
  session = await openSession({ enrolment: local.stack.paths.identity('agent', 'large-agent') })
  for (const id of ['gw-one', ...GATEWAYS]) gateways.set(id, await lab.gateway(id))
  const placed = [
    ...ONE.map((id) => [id, 'gw-one'] as const),
    ...LONG.map((id) => [id, 'gw-one'] as const),
    ...THREE.map((id, n) => [id, GATEWAYS[n % GATEWAYS.length] as string] as const),
  ]
  for (const [id, gateway] of placed) await lab.device(id, gateway)
}, 240_000)
afterAll(async () => {
  await session?.[Symbol.asyncDispose]()
  await lab?.[Symbol.asyncDispose]()
  await local?.[Symbol.asyncDispose]()
})

function submit(targets: readonly string[]): Promise<SubmittedIntent> {
  const request = { action: 'telemetry-read', targets, onBehalfOf: USER, params: params(JSON_VALUE_BYTES_MAX) }
  return agent.submit({ ...request, purpose: 'p'.repeat(1000), lifetimeSeconds: 600 })
}

/** Signed as no SDK of ours would sign it; what the broker says of it. */
async function refusal(changes: object): Promise<Status> {
  const iat = Math.floor(Date.now() / 1000)
  const claims = {
    ...{ iss: 'large-agent', aud: `writ:${REGION}`, iat, exp: iat + 120, jti: `over-${iat}`, on_behalf_of: USER },
    ...{ action: 'telemetry-read', targets: ONE, purpose: 'One more.', ...changes },
  }
  const intent = await signJws(session.signer, intentMessage.typ, claims)
  const at = subjects(REGION)
  await session.bus.store(at.intent('large-agent'), intent, { stream: 'INTENTS' })
  const subject = at.status('large-agent', `rejected-${digestOf(intent).slice(0, 16)}`)
  return until('it is refused', async () => {
    const stored = await session.bus.last('STATUS', subject)
    return stored === undefined ? undefined : openMessage(statusMessage, stored.data).claims
  })
}

const calls = () => [...gateways.values()].flatMap((gateway) => gateway.calls)

describe('the largest intent that CONTRACT allows', () => {
  test('has 8 KiB of parameters, to the byte', () => {
    expect(Buffer.byteLength(canonicalJson(params(JSON_VALUE_BYTES_MAX)))).toBe(8192)
  })

  test.each([
    ['one gateway', ONE, ['gw-one']],
    ['three gateways', THREE, GATEWAYS],
  ])(
    '100 targets on %s: every step is done, once, with all parameters',
    { timeout: 300_000 },
    async (_, targets, ids) => {
      const intent = await submit(targets)
      const { status } = await intent.done(AbortSignal.timeout(280_000))
      expect([status.state, status.reasons]).toEqual(['succeeded', []])
      expect(status.steps.map(({ device_id, state }) => `${device_id} ${state}`)).toEqual(
        targets.map((id) => `${id} succeeded`),
      )
      const done = ids.flatMap((id) => gateways.get(id)?.callsOf(intent) ?? [])
      expect(done.map(({ deviceId }) => deviceId).toSorted()).toEqual(targets.toSorted())
      expect(done.every(({ params: given }) => given['text'] === params(JSON_VALUE_BYTES_MAX).text)).toBe(true)
      expect(calls().filter(({ intentDigest }) => intentDigest === intent.digest)).toHaveLength(TARGETS_MAX)
    },
  )

  test('a plan that would be over 256 KiB is refused at intake, and nothing is done', async () => {
    const before = calls().length
    const { status } = await (await submit(LONG)).done(AbortSignal.timeout(60_000))
    expect([status.state, status.reasons.map(({ code }) => code)]).toEqual(['denied', ['too_large']])
    expect(calls()).toHaveLength(before)
  })

  test.each([
    ['a byte of parameters more', { params: params(JSON_VALUE_BYTES_MAX + 1) }],
    ['a target more', { targets: [...ONE, THREE[0]] }],
  ])('%s is refused, and nothing is done', async (_, changes) => {
    const before = calls().length
    const { state, reasons } = await refusal(changes)
    expect([state, reasons.map(({ code }) => code)]).toEqual(['denied', ['malformed']])
    expect(calls()).toHaveLength(before)
  })
})
