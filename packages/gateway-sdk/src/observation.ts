import type { JsonObject } from '@writ/contracts'

/** What a gateway sees of a device. */
export interface Observation {
  /** What policy and `bind.device_state` compare; a report of at most 32 KiB carries it. */
  readonly state: JsonObject
  /** IP address at which this gateway reaches the device; `bind.network` is compared with it. */
  readonly address: string
}

/** How a gateway observes its devices. */
export interface Observer {
  /** Devices whose state is reported, on change and every 60 s. */
  readonly devices: readonly string[]
  /**
   * Asks the device, within 5 s where a step waits for the answer. It may throw when the device does not answer: then its state is
   * unknown, and what policy binds to it is refused.
   */
  observe(deviceId: string): Promise<Observation>
  /** How often each device is looked at; 2,000 ms unless told otherwise. */
  readonly pollMs?: number
}
