import { join } from 'node:path'
import { type ActionHandler, type Gateway, type Log, startGateway } from '@writ/gateway-sdk'
import type { PlantAction } from './actions/action.ts'
import { configChange } from './actions/config-change.ts'
import { dataCollect } from './actions/data-collect.ts'
import { firmwareUpdate } from './actions/firmware-update.ts'
import { restart } from './actions/restart.ts'
import { telemetryRead } from './actions/telemetry-read.ts'
import { reportedState } from './device-state.ts'
import { DeviceStore } from './device-store.ts'
import { PLANT, type PlantDevice } from './plant.ts'

export interface PlantGatewayOptions {
  readonly gatewayId: string
  /** Folder with `enrolment.json`, `nats.creds` and `key.jwk`. */
  readonly enrolmentDir: string
  /** Folder for the gateway's own state and its devices. */
  readonly stateDir: string
  readonly log: Log
  /** Gives up the wait for the first connection. */
  readonly signal?: AbortSignal
}

const ACTIONS: Readonly<Record<string, PlantAction>> = {
  'telemetry-read': telemetryRead,
  'data-collect': dataCollect,
  restart,
  'config-change': configChange,
  'firmware-update': firmwareUpdate,
}

const POLL_MS = 1000
const STOP_WITHIN_MS = 8000

/** One gateway of the pilot plant, with its simulated devices. Throws when the plant has no gateway of that name. */
export async function startPlantGateway(options: PlantGatewayOptions): Promise<Gateway> {
  const { gatewayId, enrolmentDir, stateDir, log, signal } = options
  if (!PLANT.gateways.some(({ id }) => id === gatewayId)) throw new Error(`The plant has no gateway ${gatewayId}.`)
  const own = PLANT.devices.filter(({ gateway }) => gateway === gatewayId)
  const devices = await DeviceStore.open(join(stateDir, 'devices'), own, Date.now())
  return startGateway({
    enrolment: join(enrolmentDir, 'enrolment.json'),
    key: join(enrolmentDir, 'key.jwk'),
    stateDir: join(stateDir, 'gateway'),
    actions: Object.fromEntries(Object.entries(ACTIONS).map(([name, act]) => [name, handler(own, devices, act)])),
    reports: {
      devices: own.map(({ id }) => id),
      pollMs: POLL_MS,
      observe: async (deviceId) => ({
        state: reportedState(await devices.read(deviceId)),
        address: deviceOf(own, deviceId).address,
      }),
    },
    log,
    stopWithinMs: STOP_WITHIN_MS,
    ...(signal !== undefined && { signal }),
  })
}

function handler(own: readonly PlantDevice[], devices: DeviceStore, act: PlantAction): ActionHandler {
  return (context) => act({ device: deviceOf(own, context.deviceId), devices, context })
}

function deviceOf(own: readonly PlantDevice[], deviceId: string): PlantDevice {
  const device = own.find(({ id }) => id === deviceId)
  if (device === undefined) throw new Error(`This gateway has no device ${deviceId}.`)
  return device
}
