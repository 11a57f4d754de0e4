import type { JsonObject } from '@writ/contracts'
import type { ActionContext } from '@writ/gateway-sdk'
import type { DeviceStore } from '../device-store.ts'
import type { PlantDevice } from '../plant.ts'

/** What the simulated machine needs for one action. */
export interface Work {
  readonly device: PlantDevice
  readonly devices: DeviceStore
  readonly context: ActionContext
}

export type PlantAction = (work: Work) => Promise<JsonObject>
