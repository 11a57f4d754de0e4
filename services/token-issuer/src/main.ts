import { runService } from '@writ/service-kit'
import { readConfig } from './config.ts'
import { startTokenIssuer } from './service.ts'

const config = readConfig(process.env)
await runService('token-issuer', (signal) => startTokenIssuer(config, { signal }), config)
