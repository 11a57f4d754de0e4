import { runService } from '@writ/service-kit'
import { readConfig } from './config.ts'
import { startAuditSink } from './service.ts'

const config = readConfig(process.env)
await runService('audit-sink', (signal) => startAuditSink(config, { signal }), config)
