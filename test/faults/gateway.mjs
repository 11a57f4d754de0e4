// A gateway in a process of its own. node gateway.mjs ENROLMENT SETTINGS
// Its devices write down each action that they begin, and flush it, before they do anything.
import { fsyncSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { startGateway } from '@writ/gateway-sdk'

const [enrolment = '', text = ''] = process.argv.slice(2)
/** @type {{ key: string, state: string, effects: string, ready: string, devices: string[] }} */
const settings = JSON.parse(text)
const file = openSync(settings.effects, 'a', 0o600)
const now = () => performance.timeOrigin + performance.now()

/** @type {(ms: number) => import('@writ/gateway-sdk').ActionHandler} */
const takes = (ms) => async (context) => {
  const { planId, stepId, intentDigest, deviceId, action, signal } = context
  const step = { plan_id: planId, step_id: stepId, intent_digest: intentDigest, device_id: deviceId, action }
  writeSync(file, `${JSON.stringify({ ...step, at: now() })}\n`)
  fsyncSync(file)
  await delay(ms, undefined, { signal })
  return { done: true }
}

/** @type {(level: string) => (fields: object, msg: string) => void} */
const line = (level) => (fields, msg) => {
  const { err, ...others } = /** @type {{ err?: unknown }} */ (fields)
  process.stdout.write(`${JSON.stringify({ level, at: now(), ...others, err: err && String(err), msg })}\n`)
}

const gateway = await startGateway({
  enrolment,
  key: settings.key,
  stateDir: settings.state,
  actions: { 'telemetry-read': takes(5), 'config-change': takes(25), restart: takes(150) },
  reports: {
    devices: settings.devices,
    pollMs: 1000,
    observe: () => Promise.resolve({ state: { mode: 'running', guard: 'closed' }, address: '10.20.1.7' }),
  },
  log: { info: line('info'), warn: line('warn'), error: line('error') },
  stopWithinMs: 5000,
})
await gateway.ready
writeFileSync(settings.ready, String(process.pid))
process.once('SIGTERM', () => void gateway.close().then(() => process.exit(0)))
