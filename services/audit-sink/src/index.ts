export { type Config, readConfig } from './config.ts'
export { type Overrides, type RunningSink, startAuditSink } from './service.ts'
