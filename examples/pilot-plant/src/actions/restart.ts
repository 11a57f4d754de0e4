import { setTimeout as delay } from 'node:timers/promises'
import { ActionFailed } from '@writ/gateway-sdk'
import { inMode } from '../device-state.ts'
import type { PlantAction } from './action.ts'

const RESTART_MS = 800

/** Stops the machine and starts it again. Told to stop halfway, it leaves the machine stopped. */
export const restart: PlantAction = async ({ device, devices, context }) => {
  const stopped = await devices.write(device.id, inMode(await devices.read(device.id), 'stopped', Date.now()))
  await delay(RESTART_MS, undefined, { signal: context.signal })
  if (device.faulty === true) {
    await devices.write(device.id, inMode(stopped, 'fault', Date.now()))
    throw new ActionFailed('The drive reports a fault and did not start again.')
  }
  const restarts = stopped.restarts + 1
  const { mode } = await devices.write(device.id, { ...inMode(stopped, 'running', Date.now()), restarts })
  return { mode, restarts }
}
