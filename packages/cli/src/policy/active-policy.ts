import type { Session } from '@writ/agent-sdk'
import { type FiledValue, parseFiledValue } from '@writ/authority'
import { Fault, isFault, type PolicyRecord } from '@writ/contracts'
import { sha256 } from '@writ/keys'
import { Evaluator, openBundle, type PolicyBundle } from '@writ/policy'
import { withAdvice } from '../advice.ts'

/** One version of `policy/active`, filed by an operator. */
export interface PolicyVersion {
  readonly version: number
  /** Absent where the version removed the policy: nothing was decided then. */
  readonly record?: PolicyRecord
  /** NumericDate of the command. */
  readonly filedAt: number
  /** The operator who signed it, and those who signed under it. */
  readonly by: string
  readonly cosignedBy: readonly string[]
  readonly reason: string
  readonly digest: string
  readonly active: boolean
}

/** Every valid version, newest first: what every reader of SIGNERS would say. */
export async function policyHistory({ reader, authority, bus, subjects }: Session): Promise<readonly PolicyVersion[]> {
  await reader.control()
  const found = new Map<number, FiledValue>()
  for await (const { data } of bus.read('SIGNERS', { fromSeq: 1, filter: subjects.registry('policy', 'active') })) {
    const filed = parsed(data)
    // A command filed twice, or again with other cosigns, is the same version.
    if (filed !== undefined && authority.trust.isValid(filed)) found.set(filed.command.claims.version, filed)
  }
  const newest = Math.max(0, ...found.keys())
  return [...found.values()].map((filed) => versionOf(filed, newest)).toSorted((a, b) => b.version - a.version)
}

function parsed(data: Uint8Array): FiledValue | undefined {
  try {
    return parseFiledValue(data)
  } catch (error) {
    if (isFault(error)) return undefined
    throw error
  }
}

function versionOf({ command, cosigns }: FiledValue, newest: number): PolicyVersion {
  const { version, record, iat, iss, reason } = command.claims
  return {
    version,
    ...(record !== null && { record: record as PolicyRecord }),
    filedAt: iat,
    by: iss,
    cosignedBy: cosigns.map(({ claims }) => claims.iss),
    reason,
    digest: command.jws.digest,
    active: version === newest && record !== null,
  }
}

export interface LoadedPolicy {
  readonly bytes: Uint8Array
  readonly bundle: PolicyBundle
  readonly evaluator: Evaluator
}

/** The bundle that was published under a digest, ready to decide. Throws Fault `unavailable` when there is none, or it does not run. */
export async function publishedBundle({ bus, subjects }: Session, bundleSha256: string): Promise<LoadedPolicy> {
  const stored = await bus.last('POLICIES', subjects.bundle(bundleSha256))
  if (stored === undefined || sha256(stored.data) !== bundleSha256)
    throw new Fault('unavailable', { message: `No bundle ${bundleSha256} is published.` })
  try {
    const bundle = openBundle(stored.data)
    return { bytes: stored.data, bundle, evaluator: Evaluator.load(bundle) }
  } catch (cause) {
    throw new Fault('unavailable', { message: `The published bundle ${bundleSha256} cannot be used.`, cause })
  }
}

export interface ActivePolicy extends LoadedPolicy {
  readonly version: number
  readonly record: PolicyRecord
}

/** The policy in force; undefined: none is. */
export async function activePolicy(session: Session): Promise<ActivePolicy | undefined> {
  await session.reader.control()
  const filed = session.authority.trust.record('policy', 'active')
  if (filed === undefined) return undefined
  const { version, record } = filed
  return { version, record, ...(await publishedBundle(session, record.bundle_sha256)) }
}

/** Throws Fault `unavailable` where no policy is in force. */
export async function activePolicyOrFault(session: Session): Promise<ActivePolicy> {
  const active = await activePolicy(session)
  if (active !== undefined) return active
  const fault = new Fault('unavailable', { message: 'No policy is active, so nothing is decided.' })
  throw withAdvice(fault, '`writ policy publish` publishes one.')
}
