import {
  type FiledRecord,
  parseFiledValue,
  type RoutedDevice,
  type SignedApproval,
  type Verified,
} from '@writ/authority'
import {
  approvalMessage,
  attestationMessage,
  type ClaimsOf,
  type decisionMessage,
  Fault,
  intentMessage,
  isFault,
  type Message,
  type RecordKind,
  reportMessage,
} from '@writ/contracts'
import { openMessage } from '@writ/keys'
import { buildInput, inputSha256, type PolicyInput } from '../core/input.ts'

type Decision = ClaimsOf<typeof decisionMessage>

/** The exact messages by their digests, as far as they could be had. */
export type DocumentOf = (digest: string) => string | undefined

export type Rebuilt =
  | { readonly state: 'rebuilt'; readonly input: PolicyInput; readonly intent: ClaimsOf<typeof intentMessage> }
  /** Digests that the decision names and no document was given for. */
  | { readonly state: 'missing'; readonly digests: readonly string[] }
  /** What the documents give is not what was decided on. */
  | { readonly state: 'other input' }

/**
 * Makes the input of a recorded decision again from the messages and records that it names. No signature is verified here: of a decision that the
 * caller has verified, its `input_sha256` shows that the result is the input which was decided on; of any other decision it shows nothing.
 */
export function rebuildInput(decision: Decision, documentOf: DocumentOf, region: string): Rebuilt {
  const { intent_digest, records, approvals, attestations, reports } = decision
  const digests = [intent_digest, ...records, ...approvals, ...attestations, ...reports]
  const missing = digests.filter((digest) => documentOf(digest) === undefined)
  if (missing.length > 0) return { state: 'missing', digests: missing }
  try {
    const { input, intent } = assemble(decision, (digest) => documentOf(digest) as string, region)
    return inputSha256(input) === decision.input_sha256 ? { state: 'rebuilt', input, intent } : { state: 'other input' }
  } catch (error) {
    if (isFault(error)) return { state: 'other input' }
    throw error
  }
}

function assemble(decision: Decision, textOf: (digest: string) => string, region: string) {
  const intent = taken(intentMessage, textOf(decision.intent_digest))
  const records = decision.records.map((digest) => recordOf(textOf(digest)))
  const find = <K extends RecordKind>(kind: K, id: string): FiledRecord<K> => {
    const found = records.find((record) => record.kind === kind && record.id === id)
    if (found === undefined) throw new Fault('chain_broken', { message: 'The decision names no such record.' })
    return found as FiledRecord<K>
  }
  const { claims } = intent
  const input = buildInput({
    nowSeconds: decision.iat,
    region,
    policy: find('policy', 'active'),
    intent,
    agent: find('agent', claims.iss),
    devices: claims.targets.map((id) => find('device', id) as RoutedDevice),
    approvals: decision.approvals.map((digest): SignedApproval => {
      const approval = taken(approvalMessage, textOf(digest))
      return { approval, approver: find('approver', approval.claims.iss) }
    }),
    attestations: decision.attestations.map((digest) => taken(attestationMessage, textOf(digest))),
    reports: decision.reports.map((digest) => taken(reportMessage, textOf(digest))),
  })
  return { input, intent: claims }
}

/** Verified once, by who decided on it; here the digest of the whole input stands for that. */
function taken<M extends Message>(message: M, text: string): Verified<M> {
  return openMessage(message, text) as Verified<M>
}

function recordOf(text: string): FiledRecord {
  const { command, value } = parseFiledValue(text)
  const { kind, id, version, record } = command.claims
  if (record === null) throw new Fault('chain_broken', { message: 'The decision names a removed record.' })
  return { kind, id, version, record, digest: command.jws.digest, value } as FiledRecord
}
