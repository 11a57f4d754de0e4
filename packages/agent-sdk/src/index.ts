export { type Agent, connectAgent, type IntentRequest, type SubmittedIntent } from './agent.ts'
export { type AskOptions, ask } from './ask.ts'
export { type FinishedIntent, isFinal, statusIdsOf } from './follow-intent.ts'
export { openSession, readEnrolment, type Session, type SessionOptions } from './session.ts'
