import type { JsonObject } from '@writ/contracts'
import { type DeviceState, piecesMade } from './device-state.ts'
import type { PlantDevice } from './plant.ts'

/** What a device measures at an instant: a smooth curve of its own, higher while it runs. */
export function measure({ id, kind }: PlantDevice, state: DeviceState, atMs: number): JsonObject {
  const running = state.mode === 'running'
  switch (kind) {
    case 'press':
      return {
        oil_temperature_c: wave(id, atMs, running ? 54 : 31, 3),
        pressure_kpa: running ? wave(id, atMs, Number(state.config['pressure_kpa']), 12) : 0,
        strokes: piecesMade(state, atMs),
      }
    case 'conveyor':
      return {
        speed_mm_s: running ? wave(id, atMs, Number(state.config['speed_mm_s']), 4) : 0,
        motor_current_a: running ? wave(id, atMs, 6.2, 0.4) : 0,
        packages: piecesMade(state, atMs),
      }
    case 'temperature-sensor': {
      const celsius = wave(id, atMs, 47, 5)
      const unit = String(state.config['unit'])
      return { temperature: unit === 'kelvin' ? round(celsius + 273.15) : celsius, unit }
    }
    case 'vibration-sensor':
      return { velocity_rms_mm_s: wave(id, atMs, 1.8, 0.6) }
  }
}

const PERIOD_MS = 10 * 60_000

/** Around `middle` within `swing`, in a phase that depends on the device. */
function wave(id: string, atMs: number, middle: number, swing: number): number {
  const phase = [...id].reduce((sum, character) => sum + (character.codePointAt(0) ?? 0), 0)
  return round(middle + swing * Math.sin((2 * Math.PI * (atMs % PERIOD_MS)) / PERIOD_MS + phase))
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}
