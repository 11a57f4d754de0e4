import { ActionFailed } from '@writ/gateway-sdk'
import type { PlantAction } from './action.ts'

/** Changes settings that the device has; all of them or none. */
export const configChange: PlantAction = async ({ device, devices, context }) => {
  const state = await devices.read(device.id)
  if (!Object.keys(context.params).every((name) => Object.hasOwn(state.config, name))) {
    throw new ActionFailed('The device has no such setting.')
  }
  const { config } = await devices.write(device.id, { ...state, config: { ...state.config, ...context.params } })
  return { config }
}
