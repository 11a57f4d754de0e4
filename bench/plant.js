// A gateway of the benchmark's plant, as its own process: gateway-sdk with an action that does nothing but note when it began.
import { parseArgs } from 'node:util'
import { built } from './lib/built.js'
import { clockMs } from './lib/numbers.js'

const { values } = parseArgs({
  options: {
    root: { type: 'string' },
    enrolment: { type: 'string' },
    state: { type: 'string' },
    devices: { type: 'string' },
  },
})
const { root = '', enrolment = '', state = '', devices = '' } = values
const { startGateway } = await built(root, 'packages/gateway-sdk')

/** @type {Map<string, number>} */
let begun = new Map()
const observed = { mode: 'running', guard: 'closed' }
const gateway = await startGateway({
  enrolment,
  stateDir: state,
  actions: {
    'telemetry-read': (/** @type {{ intentDigest: string }} */ { intentDigest }) => {
      begun.set(intentDigest, clockMs())
      return { celsius: 182, mode: observed.mode }
    },
  },
  reports: { devices: devices.split(','), observe: async () => ({ state: observed, address: '10.20.1.7' }) },
})
process.on('message', () => {
  process.send?.({ begun: [...begun] })
  begun = new Map()
})
process.on('disconnect', () => void gateway.close().finally(() => process.exit()))
await gateway.ready
process.send?.({ ready: true })
