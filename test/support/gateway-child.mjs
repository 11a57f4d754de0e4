// A gateway in a process of its own, to be killed. node gateway-child.mjs DIR [hold]: with `hold` its action does not end.
import { appendFileSync } from 'node:fs'
import { startGateway } from '@writ/gateway-sdk'

const [dir, mode] = process.argv.slice(2)
const gateway = await startGateway({
  enrolment: `${dir}/package/enrolment.json`,
  key: `${dir}/package/key.jwk`,
  stateDir: `${dir}/state`,
  actions: {
    restart: async ({ stepId, signal }) => {
      appendFileSync(`${dir}/effects`, `${stepId}\n`)
      if (mode !== 'hold') return {}
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    },
  },
})
await gateway.ready
