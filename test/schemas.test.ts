import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  Enrolment,
  type JsonObject,
  type JsonSchema,
  jsonSchemas,
  MESSAGES,
  RECORD_KINDS,
  RECORDS,
  SERVICE_ROLES,
} from '@writ/contracts'
import { describe, expect, test } from 'vitest'
import { messageTable } from '../scripts/message-table.js'
import { validates } from './support/json-schema.ts'

const folder = fileURLToPath(new URL('../packages/contracts/schemas', import.meta.url))
const schemas = jsonSchemas()
const digest = 'A'.repeat(43)
const envelope = { iss: 'a', aud: 'writ:r-1', iat: 1_800_000_000 }
const jwk = { kty: 'OKP', crv: 'Ed25519', x: digest }

const accepts = (name: string, value: unknown): boolean =>
  validates(JSON.parse(readFileSync(join(folder, name), 'utf8')), value)

/** The shapes that a message may have: one, or one for each kind or command. */
function shapesOf(schema: JsonSchema): readonly JsonSchema[] {
  const ways = schema['oneOf'] as JsonSchema[] | undefined
  return ways === undefined ? [schema] : ways.flatMap(shapesOf)
}

const INTENT: JsonObject = {
  ...envelope,
  exp: 1_800_000_300,
  jti: 'i-1',
  on_behalf_of: 'u-anna',
  action: 'restart',
  targets: ['press-07'],
  purpose: 'Clear the fault.',
}

describe('the JSON Schemas in packages/contracts/schemas', () => {
  test('are what `npm run schemas` makes today', () => {
    expect(readdirSync(folder).toSorted()).toEqual([...schemas.keys()].toSorted())
    for (const [name, schema] of schemas)
      expect(readFileSync(join(folder, name), 'utf8'), name).toBe(`${JSON.stringify(schema, null, 2)}\n`)
  })

  test('are there for every message, every kind of record and the enrolment package', () => {
    for (const name of [
      ...MESSAGES.map(({ typ }) => typ),
      ...RECORD_KINDS.map((kind) => `record-${kind}`),
      'enrolment',
    ])
      expect(schemas.get(`${name}.json`), name).toMatchObject({
        $schema: 'https://json-schema.org/draft/2020-12/schema',
      })
    expect(Object.keys(schemas.get('index.json') ?? {})).toEqual(MESSAGES.map(({ typ }) => typ))
  })

  test('refuse what the contract refuses of an intent, and take what it takes', () => {
    const hostile: JsonObject[] = [
      { admin: true },
      { jti: 'rejected-0123456789abcdef' },
      { jti: '../x' },
      { exp: 1.5 },
      { action: 'Restart' },
      { targets: [] },
      { targets: ['a', 'a'] },
      { targets: Array.from({ length: 101 }, (_, n) => `d-${n}`) },
      { purpose: '' },
      { purpose: 'a\u001b[2J' },
      { purpose: '😀'.repeat(1001) },
      { on_behalf_of: 'u'.repeat(255) },
      { params: [] },
      { params: null },
      { delivery: 'pigeon' },
    ]
    const intent = MESSAGES.find(({ typ }) => typ === 'writ-intent+jwt')?.schema
    for (const change of [...hostile, {}, { params: { a: null } }, { purpose: 'Line\nline' }, { delivery: 'agent' }]) {
      const value = { ...INTENT, ...change }
      expect([change, accepts('writ-intent+jwt.json', value)]).toEqual([change, intent?.safeParse(value).success])
      expect([change, accepts('writ-intent+jwt.json', value)]).toEqual([change, !hostile.includes(change)])
    }
    for (const claim of ['iss', 'aud', 'iat', 'exp', 'jti', 'on_behalf_of', 'action', 'targets', 'purpose']) {
      const { [claim]: _, ...value } = INTENT
      expect([claim, accepts('writ-intent+jwt.json', value)]).toEqual([claim, false])
    }
  })

  test('refuse unknown claims of agents, gateways, approvers and operators, and ignore those of services', () => {
    const services: readonly string[] = [...SERVICE_ROLES, 'anchor']
    for (const { typ, signers } of MESSAGES) {
      const schema = schemas.get(`${typ}.json`) ?? {}
      const shapes = shapesOf(schema)
      const strict = shapes.map(({ additionalProperties }) => additionalProperties === false)
      expect([typ, ...strict]).toEqual([typ, ...shapes.map(() => !signers.every((one) => services.includes(one)))])
    }
  })

  test('take real records and enrolment packages, and no key with a private part', () => {
    const record = { keys: [jwk], jurisdiction: 'r-1' }
    expect(accepts('record-gateway.json', record)).toBe(RECORDS.gateway.safeParse(record).success)
    expect(accepts('record-gateway.json', record)).toBe(true)
    expect(accepts('record-gateway.json', { ...record, keys: [{ ...jwk, d: digest }] })).toBe(false)
    expect(accepts('record-gateway.json', { ...record, keys: [{ ...jwk, x: `${'A'.repeat(42)}B` }] })).toBe(false)
    const enrolment = {
      kind: 'agent',
      id: 'a',
      nats_url: 'nats://127.0.0.1:4222',
      credentials_file: 'nats.creds',
      region: 'r-1',
      trust: { operators: { root: jwk }, anchors: { 'audit-sink': jwk }, log_vkeys: ['x'], two_person: [] },
    }
    expect(accepts('enrolment.json', enrolment)).toBe(Enrolment.safeParse(enrolment).success)
    expect(accepts('enrolment.json', enrolment)).toBe(true)
  })
})

describe('docs/clients.md', () => {
  const root = fileURLToPath(new URL('..', import.meta.url))
  const guide = readFileSync(join(root, 'docs/clients.md'), 'utf8')

  test('has the table of messages that the definitions make', () => {
    expect(guide).toContain(`<!-- messages -->\n${messageTable()}\n<!-- /messages -->`)
  })

  test('names files that exist', () => {
    const named = [...guide.matchAll(/`((?:test|packages)\/[\w./-]+)`|\]\(([^)#]+)\)/g)].map(([, path, link]) =>
      path === undefined ? join(root, 'docs', link ?? '') : join(root, path),
    )
    expect(named.length).toBeGreaterThan(30)
    expect(named.filter((path) => !existsSync(path))).toEqual([])
  })
})
