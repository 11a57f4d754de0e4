/** What a device of the pilot plant is. It decides which values it measures and which settings it has. */
export type DeviceKind = 'press' | 'conveyor' | 'temperature-sensor' | 'vibration-sensor'

export interface PlantDevice {
  readonly id: string
  readonly kind: DeviceKind
  /** The gateway that reaches it. */
  readonly gateway: string
  readonly group: string
  /** What it can do: the actions of its record. */
  readonly actions: readonly string[]
  /** Where its gateway reaches it. */
  readonly address: string
  /** Its drive is broken: a restart and a firmware update begin and fail. */
  readonly faulty?: true
}

export interface Plant {
  readonly gateways: readonly { readonly id: string }[]
  readonly devices: readonly PlantDevice[]
}

const MACHINE = ['telemetry-read', 'data-collect', 'restart', 'config-change', 'firmware-update'] as const
const SENSOR = ['telemetry-read', 'data-collect', 'config-change'] as const

/** The simulated factory: what an operator enrols, and what the gateways' processes simulate. */
export const PLANT: Plant = {
  gateways: [{ id: 'gw-press-hall' }, { id: 'gw-packaging' }],
  devices: [
    {
      id: 'press-07',
      kind: 'press',
      gateway: 'gw-press-hall',
      group: 'press-hall',
      actions: MACHINE,
      address: '10.20.1.7',
    },
    {
      id: 'press-09',
      kind: 'press',
      gateway: 'gw-press-hall',
      group: 'press-hall',
      actions: MACHINE,
      address: '10.20.1.9',
      faulty: true,
    },
    {
      id: 'temp-11',
      kind: 'temperature-sensor',
      gateway: 'gw-press-hall',
      group: 'press-hall',
      actions: SENSOR,
      address: '10.20.1.11',
    },
    {
      id: 'conveyor-plc-02',
      kind: 'conveyor',
      gateway: 'gw-packaging',
      group: 'packaging',
      actions: MACHINE,
      address: '10.20.2.2',
    },
    {
      id: 'vibration-12',
      kind: 'vibration-sensor',
      gateway: 'gw-packaging',
      group: 'packaging',
      actions: SENSOR,
      address: '10.20.2.12',
    },
  ],
}
