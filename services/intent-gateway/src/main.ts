import { runService } from '@writ/service-kit'
import { readConfig } from './config.ts'
import { startIntentGateway } from './service.ts'

const config = readConfig(process.env)
await runService('intent-gateway', (signal) => startIntentGateway(config, { signal }), config)
