import { mkdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ControlPosition } from '@writ/authority'
import type { Enrolment } from '@writ/contracts'
import { readEnrolment, readKeyFile } from '@writ/keys'
import fc from 'fast-check'
import { type Contexts, readContexts } from '../../../packages/cli/src/contexts/contexts-file.ts'
import { gradeLogin, type Login, parseLogin } from '../../../packages/cli/src/doctor/check-package.ts'
import { type LocalFile, readLocalFile } from '../../../packages/cli/src/local-file.ts'
import { readPosition } from '../../../packages/gateway-sdk/src/authority/position-file.ts'
import { positionFile } from '../../../packages/service-kit/src/control-position.ts'
import { bytes, type Format, format, jsonBytes, orRefused, textOf } from '../format.ts'
import { fuzzPlant, keyOf } from '../plant.ts'
import { anyJson, jsonText } from './json.ts'

/** Where files lie that readers open by name. Whoever runs formats removes it at the end. */
export const SCRATCH: string = join(tmpdir(), `writ-fuzz-${process.pid}`)
const D = `${'A'.repeat(42)}A`

/** Puts the input where the product's own reader looks for it. */
function placed(folder: string, name: string): (input: Uint8Array) => string {
  const dir = join(SCRATCH, folder)
  const file = join(dir, name)
  let made = false
  return (input) => {
    if (!made) mkdirSync(dir, { recursive: true, mode: 0o700 })
    made = true
    writeFileSync(file, input, { mode: 0o600 })
    return file
  }
}

function around(sample: object): fc.Arbitrary<Uint8Array> {
  const members = Object.fromEntries(
    Object.entries(sample).map(([name, value]) => [
      name,
      fc.oneof({ weight: 3, arbitrary: fc.constant<unknown>(value) }, anyJson),
    ]),
  )
  return fc.oneof(fc.record(members, { requiredKeys: [] }).map(jsonBytes), jsonText)
}

/** Enrolment packages. */
export async function enrolment(): Promise<Format> {
  const { plant } = await fuzzPlant()
  const sample: Enrolment = {
    kind: 'gateway',
    id: 'g1',
    nats_url: 'nats://127.0.0.1:4222',
    credentials_file: 'nats.creds',
    region: 'r',
    trust: { ...plant.world.trust, log_vkeys: ['log+01234567+AAAA'], two_person: ['policy', 'operator'] },
    control: { stream: 's1', seq: 4 },
  }
  const place = placed('enrolment', 'enrolment.json')
  return format<Enrolment>({
    name: 'enrolment',
    samples: [jsonBytes(sample), jsonBytes({ ...sample, control: undefined })],
    garbage: around(sample),
    read: async (input) => {
      const { folder, ...read } = await readEnrolment(place(input))
      return read
    },
    write: jsonBytes,
  })
}

const CREDS = `-----BEGIN NATS USER JWT-----
${['{"typ":"JWT"}', '{"name":"agent_a1","sub":"UABC","exp":1790000000}', 'sig'].map((part) => Buffer.from(part).toString('base64url')).join('.')}
------END NATS USER JWT------

************************* IMPORTANT *************************
-----BEGIN USER NKEY SEED-----
SUAXXX
------END USER NKEY SEED------
`

/** NATS credentials as `writ doctor` reads them, and what it says of them. */
export const credentials = (): Format =>
  format<Login>({
    name: 'nats-credentials',
    samples: [bytes(CREDS), bytes(CREDS.replaceAll('\n', '\r\n'))],
    garbage: anyJson.map((payload) => {
      const segment = Buffer.from(jsonBytes(Object(payload))).toString('base64url')
      return bytes(`-----BEGIN NATS USER JWT-----\na.${segment}.b\n------END NATS USER JWT------\n`)
    }),
    read: (input) => orRefused(parseLogin(textOf(input))),
    check: (login) => {
      const { grade } = gradeLogin(login, 'agent', 'a1', 1_780_000_000, 'mend')
      return grade === 'ok' && login.name !== 'agent_a1' ? 'Another’s login is found good.' : undefined
    },
  })

/** `.writ/local.json`. */
export async function localFile(): Promise<Format> {
  const { plant } = await fuzzPlant()
  const { operators, anchors } = plant.world.trust
  const sample: LocalFile = {
    nats_url: 'nats://127.0.0.1:4222',
    redis_url: 'redis://127.0.0.1:6379',
    region: 'r',
    trust: { operators, anchors },
    store: 'file:/store',
    log_origin: 'audit.example/r/2026h2',
    log_vkey: 'log+01234567+AAAA',
    operator: { id: 'root', key_file: 'key.jwk', credentials_file: 'nats.creds' },
    provisioning: { dir: 'provisioning' },
    services: { 'intent-gateway': { health_url: 'http://127.0.0.1:1' } },
  }
  const place = placed('local', 'local.json')
  return format<LocalFile>({
    name: 'local-json',
    samples: [jsonBytes(sample)],
    garbage: around(sample),
    read: (input) => readLocalFile(join(place(input), '..')),
    write: jsonBytes,
    check: ({ operator, services, trust, region }) => {
      const urls = Object.values(services).map(({ health_url }) => health_url)
      const texts = [
        operator.id,
        operator.key_file,
        region,
        ...urls,
        ...Object.values(trust.operators).map(({ x }) => x),
      ]
      return texts.every((text) => typeof text === 'string') ? undefined : 'A text that is none.'
    },
  })
}

export const contexts = (): Format => {
  const sample: Contexts = {
    current: 'north',
    contexts: {
      north: { enrolment: '/e', home: '/h', services: { sink: 'http://127.0.0.1:1' } },
      south: { enrolment: '/f' },
    },
  }
  const place = placed('contexts', 'contexts.json')
  return format<Contexts>({
    name: 'contexts',
    samples: [jsonBytes(sample), jsonBytes({ contexts: {} })],
    garbage: around(sample),
    read: (input) => readContexts(place(input)),
    write: jsonBytes,
  })
}

/** Private keys. */
export const keyFile = (): Format => {
  const place = placed('keys', 'key.jwk')
  return format({
    name: 'key-file',
    samples: [jsonBytes(keyOf('file')), jsonBytes({ kty: 'EC', crv: 'P-256', x: D, y: D, d: D })],
    garbage: around(keyOf('file')),
    read: (input) => readKeyFile(place(input)),
    write: jsonBytes,
  })
}

/** How far a service or a gateway has read CONTROL: a file that it does not know is no reason to begin anew. */
export const positions = (): Format => {
  const sample: ControlPosition = { stream: 's1', seq: 7, digest: D }
  const place = placed('positions', 'control.json')
  return format<ControlPosition>({
    name: 'control-position',
    samples: [jsonBytes(sample)],
    garbage: around(sample),
    read: async (input) => {
      const file = place(input)
      const ofGateway = await readPosition(file)
      const ofService = await positionFile(join(file, '..')).read()
      return orRefused(ofService ?? ofGateway)
    },
    write: jsonBytes,
  })
}
