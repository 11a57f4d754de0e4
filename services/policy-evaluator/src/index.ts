export { type Config, readConfig } from './config.ts'
export { type Overrides, type RunningEvaluator, startPolicyEvaluator } from './service.ts'
