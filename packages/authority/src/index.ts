export {
  type ApprovalDemand,
  approvalDemands,
  checkApproval,
  checkApprovalCount,
  checkSameObligations,
  type SignedApproval,
} from './core/approvals.ts'
export { type AttestationDemand, attestationDemands, checkAttestations } from './core/attestations.ts'
export { type Authority, createAuthority } from './core/authority.ts'
export {
  checkCeilings,
  gatewaysOf,
  type PlannedStep,
  planIdOf,
  type RoutedDevice,
  scopeOf,
  stepsFor,
} from './core/ceilings.ts'
export {
  type ControlPosition,
  ControlState,
  type ControlStep,
  type StandingRevoke,
  type StoredControl,
  type Touched,
} from './core/control-state.ts'
export { type FiledRecord, type FiledValue, parseFiledValue } from './core/filed-record.ts'
export { touchedByChain, touchedByIntent } from './core/touched.ts'
export { type StoredRecord, TrustStore } from './core/trust-store.ts'
export {
  checkEnvelope,
  checkSubject,
  openAnswer,
  type Verified,
  verifyParty,
  verifyService,
  verifyWithKeys,
} from './core/verify.ts'
export {
  type ChainMessages,
  openApproval,
  type RecordSource,
  recordsInForce,
  type VerifiedChain,
  type VerifiedIntent,
  verifyChain,
  verifyIntent,
} from './core/verify-chain.ts'
export { type GatewayIdentity, type VerifiedPlan, verifyPlan, verifyToken } from './core/verify-plan.ts'
export { AuthorityReader, type ReadStream, type StoredMessage } from './follow/authority-reader.ts'
