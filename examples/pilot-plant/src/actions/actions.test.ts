import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ActionContext } from '@writ/gateway-sdk'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { reportedState } from '../device-state.ts'
import { DeviceStore } from '../device-store.ts'
import { PLANT } from '../plant.ts'
import type { PlantAction } from './action.ts'
import { configChange } from './config-change.ts'
import { dataCollect } from './data-collect.ts'
import { firmwareUpdate } from './firmware-update.ts'
import { restart } from './restart.ts'
import { telemetryRead } from './telemetry-read.ts'

let dir: string
let devices: DeviceStore
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'writ-plant-'))
  devices = await DeviceStore.open(dir, PLANT.devices, Date.now() - 60_000)
})
afterEach(() => rm(dir, { recursive: true, force: true }))

function run(act: PlantAction, deviceId: string, params: object = {}, signal?: AbortSignal) {
  const device = PLANT.devices.find(({ id }) => id === deviceId)
  if (device === undefined) throw new Error(`no device ${deviceId}`)
  const context = { params, signal: signal ?? new AbortController().signal } as ActionContext
  return act({ device, devices, context })
}

describe('the plant', () => {
  test('every device has a gateway, an address of its own, and a state that policy can read', async () => {
    const addresses = new Set(PLANT.devices.map(({ address }) => address))
    expect(addresses.size).toBe(PLANT.devices.length)
    for (const { id, gateway } of PLANT.devices) {
      expect(PLANT.gateways.map((each) => each.id)).toContain(gateway)
      expect(reportedState(await devices.read(id))).toMatchObject({ mode: 'running', firmware: expect.any(String) })
    }
  })

  test('what a device is survives its process', async () => {
    await run(configChange, 'press-07', { cycle_ms: 900 })
    const again = await DeviceStore.open(dir, PLANT.devices, Date.now())
    expect((await again.read('press-07')).config).toMatchObject({ cycle_ms: 900, pressure_kpa: 600 })
  })
})

describe('actions', () => {
  test.each(PLANT.devices.map(({ id }) => id))('%s can be read, and its values are numbers', async (id) => {
    const read = await run(telemetryRead, id)
    expect(Object.values(read).some((value) => typeof value === 'number')).toBe(true)
  })

  test('a restart is seen in the next reading', async () => {
    expect(await run(telemetryRead, 'press-07')).toMatchObject({ restarts: 0, strokes: 30 })
    expect(await run(restart, 'press-07')).toEqual({ mode: 'running', restarts: 1 })
    expect(await run(telemetryRead, 'press-07')).toMatchObject({ restarts: 1, mode: 'running' })
  })

  test('press-09 does not come back from a restart, and says so', async () => {
    await expect(run(restart, 'press-09')).rejects.toThrow('did not start again')
    expect(reportedState(await devices.read('press-09'))).toMatchObject({ mode: 'fault' })
    expect(await run(telemetryRead, 'press-09')).toMatchObject({ pressure_kpa: 0 })
  })

  test('a restart that is told to stop leaves the machine stopped', async () => {
    const stop = new AbortController()
    const restarting = run(restart, 'press-07', {}, stop.signal)
    await expect.poll(async () => (await devices.read('press-07')).mode).toBe('stopped')
    stop.abort()
    await expect(restarting).rejects.toThrow()
    expect((await devices.read('press-07')).mode).toBe('stopped')
  })

  test('settings change together or not at all, and show', async () => {
    await expect(run(configChange, 'temp-11', { unit: 'kelvin', cycle_ms: 1 })).rejects.toThrow('no such setting')
    expect(await run(telemetryRead, 'temp-11')).toMatchObject({ unit: 'celsius' })
    await run(configChange, 'temp-11', { unit: 'kelvin' })
    const read = await run(telemetryRead, 'temp-11')
    expect([read['unit'], Number(read['temperature']) > 273]).toEqual(['kelvin', true])
  })

  test('new firmware is there after an update; one that is told to stop leaves the old', async () => {
    const stop = new AbortController()
    const updating = run(firmwareUpdate, 'conveyor-plc-02', { version: '2.5.0' }, stop.signal)
    await expect.poll(async () => (await devices.read('conveyor-plc-02')).mode).toBe('updating')
    stop.abort()
    await expect(updating).rejects.toThrow()
    expect(await devices.read('conveyor-plc-02')).toMatchObject({ firmware: '2.4.0', mode: 'running' })
    expect(await run(firmwareUpdate, 'press-07', { version: '2.5.0' })).toEqual({
      firmware: '2.5.0',
      previous: '2.4.1',
    })
    expect(await run(telemetryRead, 'press-07')).toMatchObject({ firmware: '2.5.0' })
  })

  test('collected data fits a result, however much was asked for', async () => {
    const data = await run(dataCollect, 'press-07', { seconds: 600, samples: 1000 })
    expect((data['points'] as unknown[]).length).toBe(60)
    expect(Buffer.byteLength(JSON.stringify(data))).toBeLessThan(8192)
    await expect(run(dataCollect, 'press-07', { samples: 'all' })).rejects.toThrow('numbers')
  })
})
