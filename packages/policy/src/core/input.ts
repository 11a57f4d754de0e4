import type { FiledRecord, RoutedDevice, SignedApproval, Verified } from '@writ/authority'
import {
  type approvalMessage,
  type attestationMessage,
  Fault,
  type Floor,
  type intentMessage,
  type JsonObject,
  type reportMessage,
} from '@writ/contracts'
import { canonicalJson, sha256 } from '@writ/keys'
import { countingReport } from './reports.ts'

/**
 * What policy sees: one JSON document, made from verified messages and records only. `purpose`, comments and other free text are
 * not in it. It is described for authors of policies in policies/README.md.
 */
export type PolicyInput = {
  /** The decision's `iat`, NumericDate: the only clock. */
  now: number
  region: string
  /** The `policy/active` record in force. */
  policy: { version: number; bundle_sha256: string }
  intent: {
    id: string
    digest: string
    /** Thumbprint of the agent's key that signed the intent. */
    kid: string
    iat: number
    exp: number
    action: string
    /** `{}` where the intent has none. */
    params: JsonObject
    on_behalf_of: string
    delivery: 'gateway' | 'agent'
    targets: string[]
  }
  agent: { id: string; version: number; users: string[]; actions: string[]; groups: string[] }
  /** One for each target, in the intent's order. While one is judged it is also `input.target`. */
  targets: TargetInput[]
  /** Approvals and rejections, in the order of their digests. */
  approvals: {
    digest: string
    approver: string
    user: string
    roles: string[]
    verdict: 'approve' | 'reject'
    iat: number
    exp: number
  }[]
  /** Attestation results, in the order of their digests. `affirming`: every part of the result is. */
  attestations: {
    digest: string
    /** `agent/<id>` or `gateway/<id>` */
    subject: string
    profile: string
    jkt: string
    iat: number
    exp: number
    affirming: boolean
  }[]
}

type TargetInput = {
  id: string
  version: number
  group: string
  jurisdiction: string
  actions: string[]
  gateway_id: string
  /** What the device's record demands of this action, where it does. */
  floor?: Floor
  /** What its gateway last reported; absent when there is none or it is too old (`countingReport`): the state is unknown. */
  report?: { state: JsonObject; address: string; observed_at: number }
}

/** What the input is made of. Every message is verified, every record in force; `devices` are the intent's targets in their order. */
export interface InputSources {
  readonly nowSeconds: number
  readonly region: string
  readonly policy: FiledRecord<'policy'>
  readonly intent: Verified<typeof intentMessage>
  readonly agent: FiledRecord<'agent'>
  readonly devices: readonly RoutedDevice[]
  readonly approvals: readonly SignedApproval[]
  readonly attestations: readonly Verified<typeof attestationMessage>[]
  readonly reports: readonly Verified<typeof reportMessage>[]
}

/**
 * The policy input: a pure function of messages, records and `nowSeconds`, so that token-issuer makes the same one as
 * policy-evaluator and an auditor makes it again later. The order of approvals, attestations and reports does not matter.
 * Throws Fault `internal` when agent or devices are not those of the intent: a mistake of the caller, never of a sender.
 */
export function buildInput(sources: InputSources): PolicyInput {
  const { intent, agent, policy } = sources
  const { claims, jws } = intent
  if (agent.id !== claims.iss) throw mismatch()
  return {
    now: sources.nowSeconds,
    region: sources.region,
    policy: { version: policy.version, bundle_sha256: policy.record.bundle_sha256 },
    intent: {
      id: claims.jti,
      digest: jws.digest,
      kid: jws.kid,
      iat: claims.iat,
      exp: claims.exp,
      action: claims.action,
      params: claims.params ?? {},
      on_behalf_of: claims.on_behalf_of,
      delivery: claims.delivery ?? 'gateway',
      targets: claims.targets,
    },
    agent: {
      id: agent.id,
      version: agent.version,
      users: agent.record.users,
      actions: agent.record.actions,
      groups: agent.record.groups,
    },
    targets: targetsOf(sources),
    approvals: byDigest(sources.approvals.map(approvalInput)),
    attestations: byDigest(sources.attestations.map(attestationInput)),
  }
}

/** Unpadded base64url SHA-256 of the input's RFC 8785 form: `input_sha256` of a decision. */
export function inputSha256(input: PolicyInput): string {
  return sha256(canonicalJson(input))
}

function targetsOf({ intent, devices, reports, nowSeconds }: InputSources): TargetInput[] {
  const { targets, action } = intent.claims
  if (devices.length !== targets.length || devices.some(({ id }, index) => id !== targets[index])) throw mismatch()
  return devices.map((device) => {
    const { id, version, record } = device
    const floors = record.floors
    const floor = floors !== undefined && Object.hasOwn(floors, action) ? floors[action] : undefined
    const report = countingReport(reports, device, nowSeconds)
    return {
      id,
      version,
      group: record.group,
      jurisdiction: record.jurisdiction,
      actions: record.actions,
      gateway_id: record.gateway_id,
      ...(floor === undefined ? {} : { floor }),
      ...(report === undefined ? {} : { report: reported(report) }),
    }
  })
}

function reported({ claims }: Verified<typeof reportMessage>): NonNullable<TargetInput['report']> {
  return { state: claims.state, address: claims.address, observed_at: claims.observed_at }
}

function approvalInput({ approval, approver }: SignedApproval): PolicyInput['approvals'][number] {
  const { claims, jws }: Verified<typeof approvalMessage> = approval
  const { user, roles } = approver.record
  return {
    digest: jws.digest,
    approver: approver.id,
    user,
    roles,
    verdict: claims.verdict,
    iat: claims.iat,
    exp: claims.exp,
  }
}

function attestationInput({ claims, jws }: Verified<typeof attestationMessage>): PolicyInput['attestations'][number] {
  const statuses = Object.values(claims.submods).map((submod) => submod['ear.status'])
  return {
    digest: jws.digest,
    subject: claims.sub,
    profile: claims.profile,
    jkt: claims.cnf.jkt,
    iat: claims.iat,
    exp: claims.exp,
    affirming: statuses.length > 0 && statuses.every((status) => status === 'affirming'),
  }
}

function byDigest<T extends { readonly digest: string }>(items: readonly T[]): T[] {
  return items.toSorted((a, b) => (a.digest < b.digest ? -1 : a.digest > b.digest ? 1 : 0))
}

function mismatch(): Fault {
  return new Fault('internal', { message: 'The records given are not those of the intent.' })
}
