export { type Listening, type ServeOptions, serveWitness } from './serve.ts'
export { type Answer, Witness, type WitnessOptions } from './witness.ts'
