import { parentPort, workerData } from 'node:worker_threads'
import { run } from './engine.ts'
import { formatNamed } from './formats/index.ts'
import type { Task } from './watched-runs.ts'

const beacon = workerData as SharedArrayBuffer
const state = new Int32Array(beacon, 0, 2)
const shown = new Uint8Array(beacon, 8)

parentPort?.on('message', async ({ name, runs, seed }: Task) => {
  const report = await run(await formatNamed(name), {
    runs,
    seed,
    beforeRead: (input) => {
      state[1] = Math.min(input.length, shown.length)
      shown.set(input.subarray(0, shown.length))
      Atomics.add(state, 0, 1)
    },
  })
  parentPort?.postMessage(report)
})
