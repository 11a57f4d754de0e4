import { approvalDemands, recordsInForce, type VerifiedIntent, verifyIntent, verifyService } from '@writ/authority'
import { type Decision, decideRpc, decisionMessage, Fault, isFault, type Reason } from '@writ/contracts'
import { digestOf, openMessage } from '@writ/keys'
import { caughtUp, noteSpan } from '@writ/service-kit'
import type { DecisionFile, DecisionFiles, NumberedFile } from '../adapters/decision-files.ts'
import type { Evidence } from '../adapters/evidence.ts'
import type { IntentRecords } from '../adapters/intent-records.ts'
import { isDone, isFinal, type LiveRecord, type NumberedDecision, stateKey } from '../core/intent-record.ts'
import { stepsOf } from '../core/routes.ts'
import { touchedByRecord } from '../core/touched.ts'
import { attested, decided, ended, waitsForApproval, waitsForAttestation } from '../core/transitions.ts'
import type { Ask, AuthorityView, Clock, Meter } from '../ports.ts'
import type { SendOut } from './dispatch.ts'

export interface DecideDeps {
  readonly view: AuthorityView
  readonly records: IntentRecords
  readonly files: DecisionFiles
  readonly evidence: Evidence
  readonly ask: Ask
  readonly clock: Clock
  readonly meter: Meter
  /** The last good result about an agent's host, as its verifier signed it. */
  readonly attestationOf: (agentId: string) => Promise<string | undefined>
  readonly sendOut: SendOut
  readonly announceApproval: (record: LiveRecord, intent: string, shown: NumberedFile) => Promise<void>
  /** Beside the work: what fails is reported, and whoever needs it awaits it later. */
  readonly beside: (work: Promise<void>) => void
}

const ROUNDS_MAX = 4

interface Case {
  readonly key: string
  readonly record: LiveRecord
  readonly intent: string
  readonly verified: VerifiedIntent
  /** The first decision about the intent, once there is one. */
  readonly first: NumberedDecision | undefined
  readonly count: number
  readonly attested: boolean
  /** Digest of the attestation result that the last decision was given. */
  readonly tried: string | undefined
}

/** One decision about an intent, and what follows from it. `again`: it must be decided once more, from the case it returns. */
type Round = { readonly kind: 'done' } | { readonly kind: 'again'; readonly next: Case }

/**
 * accepted or approved → decided: denied, waiting, or out to the gateways. Every step can be repeated after a crash at any instant:
 * a decision is stored under a number of its own before anything is made of it.
 */
export function decide(deps: DecideDeps): (record: LiveRecord) => Promise<void> {
  return async (record) => {
    const key = stateKey(record.agent_id, record.intent_id)
    const intent = await deps.records.intent(key)
    deps.beside(deps.evidence.accepted(record, intent))
    const verified = await judge(deps, record, intent)
    const { first, count } = record.decisions
    if (count > 0) deps.meter.passed(key, 'wait')
    let next: Case = { key, record, intent, verified, first, count, attested: record.attested, tried: undefined }
    for (let rounds = 0; rounds < ROUNDS_MAX; rounds++) {
      const round = await decideOnce(deps, next)
      if (round.kind === 'done') return
      next = round.next
    }
    throw new Fault('unavailable', { message: 'The two deciders do not agree yet.' })
  }
}

/** A standing revoke, or records that no longer allow it, end it here. Throws the reason. */
async function judge({ view }: DecideDeps, record: LiveRecord, intent: string): Promise<VerifiedIntent> {
  view.assertCurrent()
  return caughtUp(view.catchUp, () => {
    const refusal = view.authority.control.refusalOf(touchedByRecord(record))
    if (refusal !== undefined) throw new Fault(refusal.code, refusal)
    return verifyIntent(view.authority, intent, recordsInForce(view.authority))
  })
}

async function decideOnce(deps: DecideDeps, now: Case): Promise<Round> {
  const { record, intent, first } = now
  const shown = record.decisions.shown
  const approvals = shown === undefined ? [] : await deps.records.approvals(now.key, record)
  const attestation = now.attested ? await deps.attestationOf(record.agent_id) : undefined
  const attestations = attestation === undefined ? [] : [attestation]
  const reply = await deps.ask(decideRpc, {
    intent,
    ...(first !== undefined && { first: first.digest }),
    ...(approvals.length > 0 && shown !== undefined && { shown: shown.digest }),
    approvals,
    attestations,
  })
  if (!reply.ok) {
    if (reply.again) return { kind: 'again', next: now }
    throw new Fault(reply.code, { message: reply.message })
  }
  const decision = await opened(deps, reply.decision, record.digest, first?.digest)
  const file: DecisionFile = {
    decision: reply.decision,
    reports: reply.reports,
    approvals: named(decision.approvals, approvals),
    attestations: named(decision.attestations, attestations),
  }
  if (first === undefined && (await deps.files.create(now.key, 1, file)) === 'exists') {
    // Decided before, and nothing is known of it but its text: what is decided from now on names it as the first.
    const earlier = await deps.files.read(now.key, 1)
    if (earlier === undefined) throw new Fault('unavailable', { message: 'The first decision cannot be read.' })
    return { kind: 'again', next: { ...now, first: { n: 1, digest: earlier.digest }, count: Math.max(now.count, 1) } }
  }
  const stored: NumberedFile =
    first === undefined
      ? { ...file, n: 1, digest: digestOf(file.decision) }
      : await deps.files.append(now.key, now.count + 1, file)
  const after = {
    ...now,
    first: first ?? { n: stored.n, digest: stored.digest },
    count: stored.n,
    tried: attestation === undefined ? undefined : digestOf(attestation),
  }
  deps.meter.passed(now.key, 'decide')
  noteSpan({ 'writ.outcome': decision.outcome })
  deps.beside(deps.evidence.decided(record, file, decision))
  try {
    return await follow(deps, after, stored, decision)
  } finally {
    await forgetIfEnded(deps, now.key, stored.n)
  }
}

/** The intent may have ended, and been settled, at another replica before this decision was stored. One that its record counts is settled with it. */
async function forgetIfEnded({ records, files }: DecideDeps, key: string, n: number): Promise<void> {
  if ((records.index.get(key)?.record.decisions.count ?? 0) >= n) return
  const latest = await records.read(key)
  if (latest === undefined || !isFinal(latest.state)) return
  await files.forgetAfter(key, isDone(latest) ? 0 : latest.decisions.count)
}

async function follow(deps: DecideDeps, now: Case, stored: NumberedFile, decision: Decision): Promise<Round> {
  const { key, record } = now
  const first = now.first ?? stored
  const change = (make: (latest: LiveRecord) => LiveRecord) =>
    deps.records.modify(key, (latest) =>
      mayBeDecided(latest) ? make(decided(latest, stored.n, { n: first.n, digest: first.digest })) : latest,
    )
  switch (decision.outcome) {
    case 'deny':
      await change((latest) => ended(latest, 'denied', reasonsOf(decision)))
      return { kind: 'done' }
    case 'needs_attestation': {
      const demand = decision.obligations.attestation
      if (demand === undefined) throw broken('The decision waits for an attestation that it does not describe.')
      // A result that is stored already may do.
      if (await isNewer(deps, now)) return { kind: 'again', next: { ...now, attested: true } }
      await change((latest) => waitsForAttestation(latest, decision, demand))
      // One that was stored in between found nobody waiting for it.
      if (await isNewer(deps, now))
        await deps.records.modify(key, (latest) => attested(latest, deps.clock.nowSeconds()))
      return { kind: 'done' }
    }
    case 'needs_approval': {
      const floors = now.verified.devices.flatMap(({ record: device }) => device.floors?.[record.action] ?? [])
      const demands = approvalDemands(decision.obligations, floors)
      const needs = {
        count: Math.max(1, ...demands.map(({ count }) => count)),
        roles: [...new Set(demands.flatMap(({ roles }) => roles))],
      }
      const shown = { n: stored.n, digest: stored.digest, decision }
      const made = await change((latest) => waitsForApproval(latest, shown, needs))
      if (made?.after.state === 'needs_approval') await deps.announceApproval(made.after, now.intent, stored)
      return { kind: 'done' }
    }
    case 'allow':
      return (await deps.sendOut(
        { ...now, first, steps: stepsOf(now.verified.intent.claims, now.verified.devices) },
        stored,
      )) === 'again'
        ? { kind: 'again', next: now }
        : { kind: 'done' }
  }
}

/** Whether there is a result that the last decision was not given. */
async function isNewer({ attestationOf }: DecideDeps, { record, tried }: Case): Promise<boolean> {
  const latest = await attestationOf(record.agent_id)
  return latest !== undefined && digestOf(latest) !== tried
}

/** Nobody has ended it, or taken it further, since it was read. */
export function mayBeDecided(record: LiveRecord): boolean {
  return (
    (record.state === 'accepted' || record.state === 'approved') &&
    record.plans.length === 0 &&
    record.closing === undefined
  )
}

async function opened(
  { view }: DecideDeps,
  body: string,
  intentDigest: string,
  first: string | undefined,
): Promise<Decision> {
  const verify = () => verifyService(view.authority, 'policy-evaluator', openMessage(decisionMessage, body))
  const { claims } = await view.waitForKey(verify).catch((cause: unknown) => {
    if (!isFault(cause)) throw cause
    throw broken('The decision is not one that policy-evaluator’s key holds up.', cause)
  })
  if (claims.intent_digest !== intentDigest || claims.first !== first)
    throw broken('The decision is not the one that was asked for.')
  return claims
}

/** The messages that a decision names, in its order. */
function named(digests: readonly string[], messages: readonly string[]): string[] {
  return digests.map((digest) => {
    const found = messages.find((message) => digestOf(message) === digest)
    if (found === undefined) throw broken('The decision names a message that it was not given.')
    return found
  })
}

function reasonsOf({ reasons }: Decision): readonly Reason[] {
  return reasons.length > 0 ? reasons : [{ code: 'policy_denied', message: 'Policy does not allow it.' }]
}

/** Another service said what it should not: nothing follows from it, and it is asked again. */
function broken(message: string, cause?: unknown): Fault {
  return new Fault('unavailable', { message, cause })
}
