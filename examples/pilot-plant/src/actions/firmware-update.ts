import { setTimeout as delay } from 'node:timers/promises'
import { ActionFailed } from '@writ/gateway-sdk'
import { inMode } from '../device-state.ts'
import type { PlantAction } from './action.ts'

const UPDATE_MS = 2000

/** Writes new firmware beside the old and switches over at the end. Until then the old one stays: told to stop, the device runs on with it. */
export const firmwareUpdate: PlantAction = async ({ device, devices, context }) => {
  const { version } = context.params
  if (typeof version !== 'string') throw new ActionFailed('The update names no version.')
  const before = await devices.read(device.id)
  const updating = await devices.write(device.id, inMode(before, 'updating', Date.now()))
  try {
    await delay(UPDATE_MS, undefined, { signal: context.signal })
  } catch (error) {
    await devices.write(device.id, inMode(updating, before.mode, Date.now()))
    throw error
  }
  if (device.faulty === true) {
    await devices.write(device.id, inMode(updating, 'fault', Date.now()))
    throw new ActionFailed('The device did not accept the image and runs its old firmware.')
  }
  const { firmware } = await devices.write(device.id, { ...inMode(updating, 'running', Date.now()), firmware: version })
  return { firmware, previous: before.firmware }
}
