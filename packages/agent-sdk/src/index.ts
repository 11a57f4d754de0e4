export { Fault, isFault, type JsonObject, type Outcome, type ReasonCode, type Status } from '@writ/contracts'
export { readEnrolment } from '@writ/keys'
export { type Agent, connectAgent, type IntentRequest, type SubmittedIntent } from './agent.ts'
export { type AskOptions, ask } from './ask.ts'
export { type FinishedIntent, isFinal, statusIdsOf } from './follow-intent.ts'
export {
  connectAgents,
  openAgents,
  type RoutedAgent,
  type RoutedAgentOptions,
  type RoutedIntent,
} from './routed-agent.ts'
export { openSession, type Session, type SessionOptions } from './session.ts'
