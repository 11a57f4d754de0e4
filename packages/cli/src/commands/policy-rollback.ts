import { Fault } from '@writ/contracts'
import { withAdvice } from '../advice.ts'
import type { Invocation } from '../invocation.ts'
import { ensureRecord } from '../operator/file-record.ts'
import { type PolicyVersion, policyHistory, publishedBundle } from '../policy/active-policy.ts'
import { untilActive } from '../policy/until-active.ts'
import { overtaken, saidBy } from './policy-publish.ts'
import { type SigningOptions, signedSession } from './signing-options.ts'

export type RollbackOptions = SigningOptions

/**
 * `writ policy rollback [VERSION]`: files a new version that names the bundle of an earlier one. That bundle was tested when it was
 * published; that it is still there and runs is looked at, and nothing else: who rolls back is in a hurry.
 */
export async function rollBackPolicy(
  invocation: Invocation,
  wanted: number | undefined,
  options: RollbackOptions,
): Promise<void> {
  const context = await invocation.context()
  await using session = await signedSession(context, { ...options, told: invocation.out.note })
  const history = await policyHistory(session)
  const { version: earlier, record } = choose(history, wanted)
  await publishedBundle(session, record.bundle_sha256)
  const filing = { kind: 'policy', id: 'active', record, reason: options.reason } as const
  const { version } = await ensureRecord(session, filing, history[0]?.version).catch(overtaken)
  const deciding = await untilActive(context.services, version)
  invocation.out.result({ ok: true, version, as: earlier, ...record, deciding }, [
    `active    version ${version}: the bundle of version ${earlier}, ${record.bundle_sha256}${saidBy(deciding)}`,
  ])
}

type Named = PolicyVersion & { readonly record: NonNullable<PolicyVersion['record']> }

/** The version asked for, or the newest one that named another bundle than the newest of all. */
function choose(history: readonly PolicyVersion[], wanted: number | undefined): Named {
  const [newest] = history
  const named = history.filter((version): version is Named => version.record !== undefined)
  const others = named.filter(({ record }) => record.bundle_sha256 !== newest?.record?.bundle_sha256)
  const chosen = wanted === undefined ? others[0] : named.find(({ version }) => version === wanted)
  if (chosen !== undefined && others.includes(chosen)) return chosen
  const message =
    chosen !== undefined
      ? `Version ${chosen.version} names the bundle that is active.`
      : wanted === undefined
        ? 'No earlier version named another bundle.'
        : `There is no version ${wanted} that names a bundle.`
  throw withAdvice(new Fault('malformed', { message }), '`writ policy history` lists the versions.')
}
