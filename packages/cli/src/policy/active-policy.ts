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
export async function publishedBundle(session: Session, bundleSha256: string): Promise<LoadedPolicy> {
  return loaded(await publishedBytes(session, bundleSha256), bundleSha256)
}

/** The bundle that was published under a digest, as it is stored. Throws Fault `unavailable` where the bus does not say. */
export async function publishedBytes(
  { bus, subjects }: Session,
  bundleSha256: string,
): Promise<Uint8Array | undefined> {
  return (await bus.last('POLICIES', subjects.bundle(bundleSha256)))?.data
}

function loaded(bytes: Uint8Array | undefined, bundleSha256: string): LoadedPolicy {
  if (bytes === undefined || sha256(bytes) !== bundleSha256)
    throw new Fault('unavailable', { message: `No bundle ${bundleSha256} is published.` })
  try {
    const bundle = openBundle(bytes)
    return { bytes, bundle, evaluator: Evaluator.load(bundle) }
  } catch (cause) {
    throw new Fault('unavailable', { message: `The published bundle ${bundleSha256} cannot be used.`, cause })
  }
}

/** What another policy is compared with before it takes its place. */
export interface InForce {
  /** The highest version that was filed; 0: none. */
  readonly version: number
  /** Absent where no policy is in force, or its bundle cannot be used. */
  readonly policy?: LoadedPolicy
  /** Why it cannot be used. */
  readonly problem?: string
}

/**
 * The policy in force as far as it can be used: one that is missing or broken is no reason not to publish another. Throws Fault
 * `unavailable` where the bus does not answer, since then nobody knows which it is.
 */
export async function policyInForce(session: Session): Promise<InForce> {
  await session.reader.control()
  const version = session.authority.trust.version('policy', 'active')
  const digest = session.authority.trust.record('policy', 'active')?.record.bundle_sha256
  if (digest === undefined) return { version }
  const bytes = await publishedBytes(session, digest)
  try {
    return { version, policy: loaded(bytes, digest) }
  } catch (error) {
    if (!isFault(error)) throw error
    return { version, problem: error.message }
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
