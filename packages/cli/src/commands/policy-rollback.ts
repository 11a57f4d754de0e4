import type { Session } from '@writ/agent-sdk'
import { Fault } from '@writ/contracts'
import { reviewBundle } from '@writ/policy/review'
import { withAdvice } from '../advice.ts'
import type { Invocation } from '../invocation.ts'
import { ensureRecord } from '../operator/file-record.ts'
import { type PolicyVersion, policyHistory, publishedBundle } from '../policy/active-policy.ts'
import { untilActive } from '../policy/until-active.ts'
import { styled } from '../terminal/style.ts'
import { overtaken, saidBy } from './policy-publish.ts'
import { type SigningOptions, signedSession } from './signing-options.ts'

export interface RollbackOptions extends SigningOptions {
  readonly force?: boolean
}

/**
 * `writ policy rollback [VERSION]`: files a new version that names the bundle of an earlier one. Its golden decisions are run again: that a
 * bundle was published does not say that it was tested.
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
  const problems = await problemsOf(session, record.bundle_sha256)
  if (problems.length > 0 && options.force !== true) throw untested(earlier, problems)
  for (const problem of problems) invocation.out.note([styled('yellow', `forced    ${problem}`)])
  const filing = { kind: 'policy', id: 'active', record, reason: options.reason } as const
  const { version } = await ensureRecord(session, filing, history[0]?.version).catch(overtaken)
  const deciding = await untilActive(context.services, version)
  invocation.out.result({ ok: true, version, as: earlier, ...record, problems, deciding }, [
    `active    version ${version}: the bundle of version ${earlier}, ${record.bundle_sha256}${saidBy(deciding)}`,
  ])
}

/** Throws Fault `unavailable` where the bundle is not there or does not run: then it cannot decide either. */
async function problemsOf(session: Session, bundleSha256: string): Promise<readonly string[]> {
  const { bytes } = await publishedBundle(session, bundleSha256)
  return reviewBundle(bytes).problems
}

function untested(version: number, [first = '', ...more]: readonly string[]): Fault {
  const others = more.length === 0 ? '' : ` And ${more.length} more.`
  const message = `The bundle of version ${version} does not pass its own tests. ${first}${others}`.slice(0, 1000)
  return withAdvice(
    new Fault('policy_denied', { message }),
    'Take another version (`writ policy history`), or this one all the same: --force',
  )
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
