export { type BuildOptions, buildBundle } from './build-bundle.ts'
export { capabilitiesOf } from './capabilities.ts'
export { OPA_VERSION, readSources, type SourceFile, sourcesSha256 } from './sources.ts'
