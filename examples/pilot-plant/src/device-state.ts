import type { JsonObject } from '@writ/contracts'
import type { DeviceKind, PlantDevice } from './plant.ts'

export type Mode = 'idle' | 'running' | 'stopped' | 'updating' | 'fault'

/** Everything that a simulated device remembers. */
export interface DeviceState {
  readonly mode: Mode
  /** Of machines that people stand beside. */
  readonly guard?: 'open' | 'closed'
  readonly firmware: string
  readonly config: JsonObject
  readonly restarts: number
  /** Unix milliseconds since which it has been in this mode. */
  readonly since: number
  /** Pieces made before `since`. */
  readonly pieces: number
}

const INITIAL: Readonly<Record<DeviceKind, Pick<DeviceState, 'firmware' | 'config' | 'guard'>>> = {
  press: { firmware: '2.4.1', config: { cycle_ms: 2000, pressure_kpa: 600 }, guard: 'closed' },
  conveyor: { firmware: '2.4.0', config: { speed_mm_s: 400 }, guard: 'closed' },
  'temperature-sensor': { firmware: '1.3.0', config: { unit: 'celsius', report_every_s: 10 } },
  'vibration-sensor': { firmware: '1.3.0', config: { report_every_s: 10 } },
}

export function initialState({ kind }: PlantDevice, nowMs: number): DeviceState {
  return { mode: 'running', ...INITIAL[kind], restarts: 0, since: nowMs, pieces: 0 }
}

/** Into another mode: what was made so far is counted. */
export function inMode(state: DeviceState, mode: Mode, nowMs: number): DeviceState {
  return { ...state, mode, since: nowMs, pieces: piecesMade(state, nowMs) }
}

/** One piece for each cycle in which the device runs. */
export function piecesMade({ mode, since, pieces, config }: DeviceState, nowMs: number): number {
  const cycleMs = Number(config['cycle_ms'] ?? 5000)
  return mode === 'running' ? pieces + Math.max(0, Math.floor((nowMs - since) / cycleMs)) : pieces
}

/** What a gateway reports of it: what policy may decide by. */
export function reportedState({ mode, guard, firmware, config }: DeviceState): JsonObject {
  return { mode, firmware, config, ...(guard !== undefined && { guard }) }
}
