import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { auditEvent, clearDocument, formatVkey, type NewEvent, writeSubjectKeysFile } from '@writ/audit'
import { auditMessage, decisionMessage } from '@writ/contracts'
import { digestOf, type Signer, signMessage } from '@writ/keys'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  keys,
  type Message,
  type Plant,
  pins,
  plant,
  REGION,
  START,
  seal,
  subjectKeys,
  vkeys,
} from '../../../audit/src/testing/plant-log.ts'
import type { Context } from '../context.ts'
import { recordedDecisions } from './recorded-decisions.ts'

let dir: string
let context: Context
let store: string
let keysFile: string
let planted: Plant
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'writ-recorded-'))
  store = join(dir, 'store')
  keysFile = join(dir, 'keys.json')
  await writeSubjectKeysFile(
    keysFile,
    [...subjectKeys].map(([kid, key]) => ({ kid, key })),
  )
  const trust = { ...pins, log_vkeys: vkeys.map(formatVkey), two_person: [] }
  const enrolment = { kind: 'operator', id: 'root', nats_url: 'nats://x', credentials_file: 'c', region: REGION, trust }
  await writeFile(join(dir, 'enrolment.json'), JSON.stringify(enrolment), { mode: 0o600 })
  context = { name: 'test', enrolment: dir, services: {} }
  planted = await plant()
})
afterEach(() => rm(dir, { recursive: true, force: true }))

/** What the log gives when these come after a plant's real evidence. */
async function read(more: readonly Message[], limit = 100) {
  await seal(store, planted.opening, [[...planted.messages, ...more]])
  return recordedDecisions(context, { store, subjectKeys: keysFile, limit })
}

/** What anybody with the login of a gateway may send: the form of a message, signed by nobody. */
function unsigned(payload: { readonly source: string }): Message {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const header = { typ: auditMessage.typ, alg: 'ES256', kid: randomBytes(32).toString('base64url') }
  const body = `${part(header)}.${part(payload)}.${randomBytes(64).toString('base64url')}`
  return { name: 'garbage', stream: 'AUDIT_EDGE', source: payload.source, body }
}

async function decided(signer: Signer = keys.services['policy-evaluator'], at = START + 60): Promise<NewEvent> {
  const intentDigest = digestOf(`${randomUUID().replaceAll('-', '')}.x`)
  const decision = await signMessage(signer, decisionMessage, {
    iss: 'policy-evaluator',
    aud: `writ:${REGION}`,
    iat: at,
    exp: at + 60,
    intent_digest: intentDigest,
    input_sha256: intentDigest,
    policy: { version: 1, bundle_sha256: intentDigest },
    outcome: 'deny',
    reasons: [{ code: 'policy_denied', message: 'Invented.' }],
    approvals: [],
    attestations: [],
    reports: [],
    records: [],
    obligations: { ttl_s: 300, max_uses: 1, max_run_s: 900, stop_on_failure: false },
  })
  const about = { agent_id: 'a1', intent: 'restart', intent_id: 'i', intent_digest: intentDigest }
  const policy = { version: 1, bundle_sha256: intentDigest }
  const documents = [clearDocument(decisionMessage.typ, decision)]
  return auditEvent('policy.decided', { ...about, policy, documents }, 'denied')
}

const source = (name: string) => planted.sources[name] as NonNullable<Plant['sources'][string]>
const outcomes = (found: Awaited<ReturnType<typeof read>>) => found.decisions.map(({ claims }) => claims.outcome)

describe('recorded decisions', () => {
  test('are those that a policy-evaluator signed, and no others', async () => {
    const found = await read([])
    expect(outcomes(found)).toEqual(['allow'])
    expect(found).toMatchObject({ leftOut: 0, unverified: 0, unreadable: 0 })
  })

  test('are still read when the log holds what is no audit message', async () => {
    const events = [[null], [{ documents: 7 }], [{ type: 'policy.decided', documents: [null] }]]
    const garbage = events.map((said, boot) => ({ source: `gateway/g1/x${boot}`, seq: 0, events: said }))
    const found = await read(garbage.map(unsigned))
    expect(outcomes(found)).toEqual(['allow'])
    expect(found.unreadable).toBe(3)
  })

  test('are none of what a source says that is no decider, of what nobody endorsed signed, or of a forged decision', async () => {
    const strange = await source('policy-evaluator').message('s', START + 61, [await decided()], keys.stranger)
    const found = await read([
      await source('gateway').message('g', START + 60, [await decided()]),
      await source('token-issuer').message('t', START + 60, [await decided()]),
      strange,
      await source('intent-gateway').message('f', START + 62, [await decided(keys.stranger)]),
    ])
    expect(outcomes(found)).toEqual(['allow'])
    expect(found.unverified).toBe(4)
  })

  test('are not crowded out by what is not verified', async () => {
    const flood: Message[] = []
    for (let at = 0; at < 20; at++)
      flood.push(await source('policy-evaluator').message('x', START + 60, [await decided()], keys.stranger))
    const found = await read(flood, 1)
    expect(outcomes(found)).toEqual(['allow'])
    expect(found).toMatchObject({ unverified: 20, leftOut: 0 })
  })

  test('of more than the limit are the newest, and it is said how many entries were left out', async () => {
    const newer = await source('policy-evaluator').message('n', START + 60, [await decided()])
    const found = await read([newer], 1)
    expect(outcomes(found)).toEqual(['deny'])
    // The decision is in an entry of policy-evaluator and in one of intent-gateway.
    expect(found).toMatchObject({ unverified: 0, leftOut: 2 })
  })
})
