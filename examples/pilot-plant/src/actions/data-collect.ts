import { ActionFailed } from '@writ/gateway-sdk'
import { measure } from '../telemetry.ts'
import type { PlantAction } from './action.ts'

const POINTS_MAX = 60

/**
 * The recorded values of the last seconds, as so many samples; of a long record every so many-th. The record also says who was at the
 * machine: whether that leaves the plant is for policy to say (`redact`).
 */
export const dataCollect: PlantAction = async ({ device, devices, context }) => {
  const seconds = numberOf(context.params['seconds'] ?? 60)
  const samples = Math.min(POINTS_MAX, numberOf(context.params['samples'] ?? 20))
  const state = await devices.read(device.id)
  const now = Date.now()
  const points = Array.from({ length: samples }, (_, n) => {
    const at = now - Math.round((seconds * 1000 * (samples - 1 - n)) / Math.max(1, samples - 1))
    return measure(device, state, at)
  })
  return { seconds, points, operator: 'shift-b', badge_id: 'b-4711' }
}

function numberOf(value: unknown): number {
  if (typeof value === 'number' && value >= 1) return Math.floor(value)
  throw new ActionFailed('Seconds and samples are numbers from 1.')
}
