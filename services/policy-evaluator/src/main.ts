import { runService } from '@writ/service-kit'
import { readConfig } from './config.ts'
import { startPolicyEvaluator } from './service.ts'

const config = readConfig(process.env)
await runService('policy-evaluator', (signal) => startPolicyEvaluator(config, { signal }), config)
