export { type Config, readConfig } from './config.ts'
export { type Overrides, type RunningIntentGateway, startIntentGateway } from './service.ts'
