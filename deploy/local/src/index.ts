export { preparePlant } from './plant/prepare-plant.ts'
export { LOCAL_ROLES, type LocalRole } from './stack/specs.ts'
export { type Stack, startStack } from './stack/stack.ts'
export { evidenceReport } from './story/verify-evidence.ts'
