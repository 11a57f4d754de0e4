// A gateway: it verifies each plan's whole chain itself, carries out the step and signs what came of it.
import { startGateway } from '@writ/gateway-sdk'

const [enrolment = 'gateways/gw-bakery'] = process.argv.slice(2)
const oven = { mode: 'running', restarts: 0 } // Stands for the machine.
const gateway = await startGateway({
  enrolment,
  stateDir: `${enrolment}/state`,
  actions: {
    'telemetry-read': () => ({ celsius: 182, ...oven }),
    restart: () => ({ restarts: ++oven.restarts }),
  },
  reports: { devices: ['oven-1'], observe: async () => ({ state: oven, address: '10.1.7.20' }) },
}).catch(({ message }) => {
  console.error(message)
  process.exit(1)
})
process.once('SIGINT', () => gateway.close())
await gateway.ready
console.log(`${gateway.id} is ready`)
