import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { commandMessage, type Decision, Fault, intentMessage } from '@writ/contracts'
import { digestOf, ephemeralSigner, sha256, signMessage } from '@writ/keys'
import { Evaluator, inputSha256, openBundle, type PolicyInput } from '@writ/policy'
import { beforeAll, describe, expect, test } from 'vitest'
import { Bundles, decideAgain } from './decide-again.ts'

const REGION = 'eusc-de-east-1'
const NOW = 1_767_614_400
const aud = `writ:${REGION}`
const signer = ephemeralSigner()
const path = fileURLToPath(new URL('../../../../policies/bundle/bundle.tar.gz', import.meta.url))

let bytes: Buffer
let texts: readonly string[]
let decision: Decision
beforeAll(async () => {
  bytes = await readFile(path)
  const bundle_sha256 = sha256(bytes)
  const command = (kind: string, id: string, record: object) =>
    signMessage(signer, commandMessage, {
      iss: 'root',
      aud,
      iat: NOW - 10,
      exp: NOW + 100,
      jti: `c-${id}`,
      kind,
      id,
      version: 1,
      record,
      reason: 'test',
    } as never)
  const ceiling = { users: ['u1'], actions: ['telemetry-read'], groups: ['press-line'] }
  const target = { gateway_id: 'g1', group: 'press-line', jurisdiction: REGION, actions: ['telemetry-read'] }
  const asked = { on_behalf_of: 'u1', action: 'telemetry-read', targets: ['press-07'] }
  const intent = await signMessage(signer, intentMessage, {
    iss: 'a1',
    aud,
    iat: NOW - 5,
    exp: NOW + 100,
    jti: 'i-1',
    ...asked,
    purpose: 'Please.',
  })
  const records = [
    await command('agent', 'a1', { keys: [signer.jwk], ...ceiling }),
    await command('device', 'press-07', target),
    await command('policy', 'active', { bundle_sha256, revision: 'r1' }),
  ]
  texts = [intent, ...records]
  const input: PolicyInput = {
    now: NOW,
    region: REGION,
    policy: { version: 1, bundle_sha256 },
    intent: {
      id: 'i-1',
      digest: digestOf(intent),
      kid: signer.kid,
      iat: NOW - 5,
      exp: NOW + 100,
      ...asked,
      params: {},
      delivery: 'gateway',
    },
    agent: { id: 'a1', version: 1, ...ceiling },
    targets: [{ id: 'press-07', version: 1, ...target }],
    approvals: [],
    attestations: [],
  }
  const { outcome, reasons, obligations } = Evaluator.load(openBundle(bytes)).evaluate(input)
  decision = {
    iat: NOW,
    intent_digest: digestOf(intent),
    input_sha256: inputSha256(input),
    policy: { version: 1, bundle_sha256 },
    outcome,
    reasons,
    obligations,
    approvals: [],
    attestations: [],
    reports: [],
    records: records.map(digestOf),
  } as unknown as Decision
})

const log = (known: readonly string[] = texts) => ({
  region: REGION,
  documents: async (wanted: ReadonlySet<string>) =>
    new Map(known.map((text) => [digestOf(text), text] as const).filter(([digest]) => wanted.has(digest))),
})
const again = async (one: Decision, bundles?: Bundles, known?: readonly string[]) =>
  (await decideAgain(new Map([['d', one]]), log(known), bundles ?? (await Bundles.open([path])))).get('d')

describe('a recorded decision that is decided again', () => {
  test('is the same by the same bundle on the input that its documents give', async () => {
    expect(await again(decision)).toEqual({ state: 'same' })
    const published = await Bundles.open([], async (digest) => (digest === sha256(bytes) ? bytes : undefined))
    expect(await again(decision, published)).toEqual({ state: 'same' })
  })

  test('is different where who signed it decided something else, and it is said in what', async () => {
    const other = decision.outcome === 'allow' ? 'deny' : 'allow'
    expect(await again({ ...decision, outcome: other })).toMatchObject({
      state: 'different',
      changed: ['outcome'],
      decision: { outcome: decision.outcome },
    })
    const longer = { ...decision.obligations, ttl_s: 3599 }
    expect(await again({ ...decision, obligations: longer })).toMatchObject({ changed: ['obligations.ttl_s'] })
  })

  test('cannot be where documents are sealed or others, and it is said why', async () => {
    expect(await again(decision, undefined, texts.slice(1))).toEqual({
      state: 'not possible',
      why: expect.stringContaining('a document that it rests on is sealed'),
    })
    expect(await again({ ...decision, iat: NOW + 1 })).toMatchObject({
      why: expect.stringContaining('do not give the input'),
    })
  })

  test('cannot be where its bundle is not at hand, is another, or cannot be had now', async () => {
    expect(await again(decision, await Bundles.open([]))).toMatchObject({ why: expect.stringContaining('--bundle') })
    const others = await Bundles.open([], async () => undefined)
    expect(await again(decision, others)).toMatchObject({ why: expect.stringContaining('is published any more') })
    const wrong = { ...decision, policy: { version: 1, bundle_sha256: 'A'.repeat(43) } }
    const liar = await Bundles.open([], async () => bytes)
    expect(await again(wrong, liar)).toMatchObject({ state: 'not possible' })
    const away = await Bundles.open([], async () => {
      throw new Fault('unavailable', { message: 'NATS is away.' })
    })
    expect(await again(decision, away)).toMatchObject({ why: expect.stringContaining('NATS is away.') })
  })
})
