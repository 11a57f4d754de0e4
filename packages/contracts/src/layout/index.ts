export * from './crossings.ts'
export { diagram } from './diagram.ts'
export { covers, overlap } from './match.ts'
export { accountOf, type IdentityKind, type Permissions, permissions } from './permissions.ts'
export {
  CONSUMERS,
  type ConsumerSettings,
  gatewayConsumer,
  gatewayConsumerName,
  STREAMS,
  type StreamName,
  type StreamSettings,
  streams,
} from './streams.ts'
export * from './subjects.ts'
