import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { readTracingConfig, startTracing } from '@writ/tracing'
import { jsonLog } from './json-log.ts'
import { startPlantGateway } from './start-plant-gateway.ts'

const USAGE = 'node main.js --gateway ID --enrolment DIR --state DIR'
const { values } = parseArgs({
  options: { gateway: { type: 'string' }, enrolment: { type: 'string' }, state: { type: 'string' } },
})
const { gateway: gatewayId, enrolment: enrolmentDir, state: stateDir } = values
if (gatewayId === undefined || enrolmentDir === undefined || stateDir === undefined) {
  process.stderr.write(`Usage: ${USAGE}\n`)
  process.exitCode = 2
} else {
  const stop = new AbortController()
  const stopped = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]).then(() => stop.abort())
  const log = jsonLog((line) => process.stdout.write(line), gatewayId)
  try {
    const traced = { service: 'writ-gateway', instance: gatewayId }
    await using _tracing = await startTracing(readTracingConfig(process.env), traced)
    await using gateway = await startPlantGateway({ gatewayId, enrolmentDir, stateDir, log, signal: stop.signal })
    void gateway.ready.then(() => log.info({ ready: true }, 'The gateway is ready.')).catch(() => undefined)
    await stopped
    log.info({}, 'The gateway is stopping.')
  } catch (error) {
    if (!stop.signal.aborted) {
      log.error({ err: error }, 'The gateway cannot run.')
      process.exitCode = 1
    }
  }
}
