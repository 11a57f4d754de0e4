// An agent: it signs what it wants and follows what becomes of it. It holds no credential of any device.
import { connectAgent } from '@writ/agent-sdk'

const [enrolment = 'agents/line-3', device = 'press-07'] = process.argv.slice(2)
const agent = await connectAgent({ enrolment }).catch(({ message }) => {
  console.error(message)
  process.exit(1)
})

const intent = await agent.submit({
  action: 'telemetry-read',
  targets: [device],
  onBehalfOf: 'u-anna',
  purpose: 'See whether it runs warm before the shift.',
})
for await (const { state, reasons } of intent.statuses()) console.log(state, reasons)

const { outcomes } = await intent.done()
for (const { device_id, state, result } of outcomes) console.log(device_id, state, result)
await agent.close()
