import { measure } from '../telemetry.ts'
import type { PlantAction } from './action.ts'

/** Reads what the device measures now, and what it is. */
export const telemetryRead: PlantAction = async ({ device, devices }) => {
  const state = await devices.read(device.id)
  const now = Date.now()
  const { mode, firmware, restarts } = state
  return { ...measure(device, state, now), mode, firmware, restarts, at: new Date(now).toISOString() }
}
