import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, test } from 'vitest'
import { render } from '../scripts/transcript/render.js'
import { validates } from './support/json-schema.ts'
import { root } from './support/local-stack.ts'
import { type Claims, digest, type Opened, open, verified } from './support/outsider-jws.ts'
import { keysOf, openedEntries, structureOf, type Transcript } from './support/transcript-book.ts'

let transcript: Transcript
let opened: ReadonlyMap<string, Opened>
beforeAll(async () => {
  transcript = JSON.parse(await readFile(join(root, 'docs/transcript.json'), 'utf8')) as Transcript
  opened = openedEntries(transcript)
})
const claims = (name: string): Claims => opened.get(name)?.claims ?? {}
const digestOf = (name: string): string => opened.get(name)?.digest ?? ''

/** Who must have signed, by `typ`; undefined: it depends. */
const SIGNER: Readonly<Record<string, string>> = {
  'writ-intent+jwt': 'agent maintenance',
  'writ-status+jwt': 'intent-gateway',
  'writ-plan+jwt': 'intent-gateway',
  'writ-token+jwt': 'token-issuer',
  'writ-decision+jwt': 'policy-evaluator',
  'writ-redeem+jwt': 'gateway gw-press-hall',
  'writ-redeemed+jwt': 'token-issuer',
  'writ-outcome+jwt': 'gateway gw-press-hall',
  'writ-sealed+jwt': 'audit-sink',
  'writ-command+jwt': 'operator root',
}

describe('docs/transcript', () => {
  test('is a rendering of its own data', async () => {
    expect(await readFile(join(root, 'docs/transcript.md'), 'utf8')).toBe(render(transcript))
  })

  test('can be verified from its own pins, with a JOSE library alone', async () => {
    const keys = await keysOf(transcript)
    for (const { kid, typ, compact, claims } of opened.values()) {
      const key = keys.get(kid)
      if (key === undefined) throw new Error(`the transcript does not show who signed ${typ}`)
      await verified(compact, key.jwk, typ)
      const gateway = `gateway ${String(claims['iss'])}`
      const source = claims['iss'] === 'gw-press-hall' ? gateway : String(claims['iss'])
      const signer = typ === 'writ-key+jwt' ? `anchor ${String(claims['role'])}` : SIGNER[typ]
      expect([typ, key.whose]).toEqual([typ, signer ?? source])
    }
  })

  test('names every message by its digest, and the messages name one another so', () => {
    for (const { raw, typ, digest: said } of transcript.entries) {
      if (typ !== undefined) expect([typ, said]).toEqual([typ, digest(raw.split('\n')[0] ?? '')])
    }
    const intent = digestOf('intent')
    for (const name of [
      'status accepted',
      'decision',
      'token',
      'status executing',
      'outcome started',
      'outcome succeeded',
    ])
      expect([name, claims(name)['intent_digest']]).toEqual([name, intent])
    const { token, decision, intent: carried } = claims('plan') as Record<string, string>
    expect([digest(token ?? ''), digest(decision ?? ''), digest(carried ?? '')]).toEqual([
      digestOf('token'),
      digestOf('decision'),
      intent,
    ])
    expect(claims('token')['decision_digest']).toBe(digestOf('decision'))
    expect(claims('token')['records']).toEqual(['record agent', 'record device', 'record policy'].map(digestOf))
    expect(claims('redeem')['token_digest']).toBe(digestOf('token'))
    expect(claims('redeemed')['request']).toBe(digestOf('redeem'))
    const [step] = claims('status succeeded')['steps'] as Claims[]
    expect(step?.['outcome_digest']).toBe(digestOf('outcome succeeded'))
    const { source, seq } = claims('audit action.succeeded') as { source: string; seq: number }
    expect((claims('sealed')['heads'] as Record<string, number>)[source]).toBeGreaterThanOrEqual(seq)
  })

  test('holds what the exported JSON Schemas describe', async () => {
    const schemaOf = async (name: string) =>
      JSON.parse(await readFile(join(root, 'packages/contracts/schemas', `${name}.json`), 'utf8'))
    for (const [name, { typ, claims }] of opened)
      expect([name, validates(await schemaOf(typ), claims)]).toEqual([name, true])
    expect(validates(await schemaOf('enrolment'), transcript.enrolment)).toBe(true)
  })

  test('is what the command makes today, but for keys, ids and times', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'writ-transcript-test-'))
    try {
      await promisify(execFile)(process.execPath, [join(root, 'scripts/transcript.js'), folder])
      const made = JSON.parse(await readFile(join(folder, 'transcript.json'), 'utf8')) as Transcript
      expect(structureOf(made)).toEqual(structureOf(transcript))
      expect(open(made.entries.find(({ name }) => name === 'intent')?.raw ?? '').digest).not.toBe(digestOf('intent'))
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
})
