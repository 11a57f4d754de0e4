import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { connectBus } from '@writ/bus'
import { controlMessage, reportMessage, subjects } from '@writ/contracts'
import { openMessage, openSigner, signMessage } from '@writ/keys'
import { PLANT } from '@writ/pilot-plant'
import { createCredentials, planePaths } from '@writ/plane'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startNats, type TestNats } from './support/nats.ts'

const REGION = 'test-1'
const at = subjects(REGION)
const main = fileURLToPath(new URL('../examples/pilot-plant/dist/main.js', import.meta.url))
let nats: TestNats
let child: ChildProcess | undefined

beforeAll(async () => {
  nats = await startNats({ region: REGION })
})
afterAll(async () => {
  child?.kill('SIGKILL')
  await nats?.stop()
})

async function login(kind: 'operator' | 'intent-gateway', id: string) {
  const credentials = new TextDecoder().decode((await createCredentials(nats.plane, kind, id)).creds)
  return connectBus({ servers: nats.url, credentials, region: REGION, kind, id })
}

async function publishGenesis(): Promise<void> {
  await using operator = await login('operator', 'root')
  const signer = await openSigner(`file:${planePaths(nats.plane.dir).rootOperatorKey}`)
  const genesis = await signMessage(signer, controlMessage, {
    iss: 'root',
    aud: `writ:${REGION}`,
    iat: Math.floor(Date.now() / 1000),
    jti: 'g1',
    prev: 0,
    command: 'genesis',
    stream: 's1',
    reason: 'test',
  })
  await operator.store(at.control('root'), genesis, { stream: 'CONTROL' })
}

test('a gateway of the plant waits for a control plane, reports its devices, and stops when it is told', async () => {
  const gatewayId = 'gw-press-hall'
  const { enrolmentFile } = await nats.enrol({ kind: 'gateway', id: gatewayId, key: 'ES256' })
  const folder = enrolmentFile.slice(0, -'/enrolment.json'.length)
  const args = [main, '--gateway', gatewayId, '--enrolment', folder, '--state', `${nats.dir}/plant`]
  child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  await expect.poll(() => said, { timeout: 10_000 }).toContain('Nothing begins')
  expect(said).not.toContain('"ready":true')
  await publishGenesis()
  await expect.poll(() => said, { timeout: 10_000 }).toContain('"ready":true')
  await using reader = await login('intent-gateway', 'i0')
  for (const { id, address } of PLANT.devices.filter(({ gateway }) => gateway === gatewayId)) {
    const reported = async () => (await reader.last('REPORTS', at.report(gatewayId, id)))?.data
    await expect.poll(reported).toBeDefined()
    const { claims } = openMessage(reportMessage, (await reported()) ?? '')
    expect(claims).toMatchObject({ device_id: id, address, state: { mode: 'running' } })
  }
  for (const line of said.trim().split('\n')) expect(JSON.parse(line)).toMatchObject({ gateway: gatewayId })
  child.kill('SIGTERM')
  const [code] = (await once(child, 'exit')) as [number | null]
  expect(code).toBe(0)
})
