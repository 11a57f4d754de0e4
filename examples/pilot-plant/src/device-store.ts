import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { type DeviceState, initialState } from './device-state.ts'
import type { PlantDevice } from './plant.ts'

/** The devices of one gateway, a JSON file each, written whole or not at all. */
export class DeviceStore {
  readonly #dir: string

  private constructor(dir: string) {
    this.#dir = dir
  }

  /** Devices that are new begin as they come from the factory. */
  static async open(dir: string, devices: readonly PlantDevice[], nowMs: number): Promise<DeviceStore> {
    await mkdir(dir, { recursive: true, mode: 0o700 })
    const store = new DeviceStore(dir)
    for (const device of devices) {
      const known = await store.read(device.id).catch(() => undefined)
      if (known === undefined) await store.write(device.id, initialState(device, nowMs))
    }
    return store
  }

  async read(deviceId: string): Promise<DeviceState> {
    return JSON.parse(await readFile(this.#path(deviceId), 'utf8')) as DeviceState
  }

  async write(deviceId: string, state: DeviceState): Promise<DeviceState> {
    const path = this.#path(deviceId)
    const file = await open(`${path}.new`, 'w', 0o600)
    try {
      await file.writeFile(`${JSON.stringify(state, null, 2)}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(`${path}.new`, path)
    return state
  }

  #path(deviceId: string): string {
    return join(this.#dir, `${deviceId}.json`)
  }
}
