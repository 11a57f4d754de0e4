import { Fault, isFault } from '@writ/contracts'
import { withAdvice } from '../advice.ts'
import { EXIT } from '../exit-codes.ts'
import type { Invocation } from '../invocation.ts'
import { publishBundle } from '../operator/publish-bundle.ts'
import { type InForce, policyInForce } from '../policy/active-policy.ts'
import type { Replay } from '../policy/replay.ts'
import { builtOf, openSource, type PolicySource } from '../policy/source.ts'
import { untilActive } from '../policy/until-active.ts'
import { type Line, styled } from '../terminal/style.ts'
import { linesOfReplay, type RecordedFlags, type Replayed, replayIfReadable } from './policy-recorded.ts'
import { linesOfGolden, linesOfTests } from './policy-text.ts'
import { type SigningOptions, signedSession } from './signing-options.ts'

export interface PublishOptions extends RecordedFlags, SigningOptions {
  readonly dryRun?: boolean
  /** False with `--no-replay`. */
  readonly replay: boolean
}

/**
 * `writ policy publish [PATH]`: tests first, then what would change, then the bundle and the record that makes it active, then the
 * word of who decides under it.
 */
export async function publishPolicy(
  invocation: Invocation,
  path: string | undefined,
  options: PublishOptions,
): Promise<void> {
  const { out, fail } = invocation
  const context = await invocation.context()
  await using session = await signedSession(context, { ...options, told: invocation.out.note })
  const inForce = await policyInForce(session)
  const source = await openSource(invocation, path, inForce.policy?.evaluator)
  for (const line of linesOfTests(source)) out.note(line)
  if (source.problems.length > 0) {
    refuse(invocation, source)
    return fail(EXIT.refused)
  }
  const { bundle, evaluator, table, bytes } = builtOf(source)
  for (const line of linesOfComparison(inForce, table)) out.note(line)
  const candidate = { version: inForce.version + 1, bundleSha256: bundle.bundleSha256 }
  const recorded = options.replay
    ? wasReplayed(await replayIfReadable(context, options, evaluator, candidate))
    : undefined
  if (recorded !== undefined) for (const line of linesOfReplay(recorded)) out.note(line)
  const found = {
    bundle_sha256: bundle.bundleSha256,
    revision: bundle.revision,
    recorded,
    golden: changedIn(table),
    ...(inForce.problem !== undefined && { not_compared: inForce.problem }),
  }
  if (options.dryRun === true) return out.result({ ok: true, published: false, ...found }, ['nothing was published'])
  const filed = await publishBundle(session, bytes, bundle.revision, options.reason, inForce.version).catch(overtaken)
  const deciding = await untilActive(context.services, filed.version)
  out.result({ ok: true, published: true, version: filed.version, filed: filed.filed, deciding, ...found }, [
    `published ${bundle.bundleSha256}, ${bytes.byteLength} bytes, revision ${bundle.revision}`,
    sentence(filed, deciding, inForce.policy !== undefined),
  ])
}

/** That recorded decisions cannot be decided again is no reason to publish without; who wants to says so. */
function wasReplayed(found: Replayed): Replay {
  if (!('unavailable' in found)) return found
  const fault = new Fault('unavailable', { message: `No decision was decided again: ${found.unavailable}` })
  throw withAdvice(fault, 'Name a copy of the log with --store DIR, or publish without comparing: --no-replay')
}

function refuse({ out }: Invocation, { problems, path }: PolicySource): void {
  const message = 'Policies that fail a test of their own are not published.'
  out.result({ ok: false, code: 'policy_denied', message, path, problems }, [`refused   ${message}`])
}

function linesOfComparison({ policy, problem }: InForce, table: Table): readonly Line[] {
  if (problem !== undefined) return [[styled('yellow', `golden    not compared with the active bundle: ${problem}`)]]
  return policy === undefined ? [] : linesOfGolden(table)
}

/** Another operator was faster: what was shown was about a version that is not in force any more. */
export function overtaken(error: unknown): never {
  if (!isFault(error) || error.code !== 'wrong_version') throw error
  throw withAdvice(error, '`writ policy history` shows whose it is and why; run this again to decide on top of it.')
}

type Table = NonNullable<PolicySource['built']>['table']

function changedIn(table: Table) {
  return table.filter(({ changed }) => changed.length > 0)
}

function sentence(
  { version, filed }: { readonly version: number; readonly filed: boolean },
  deciding: readonly string[],
  before: boolean,
): string {
  const which = filed ? `version ${version}` : `version ${version} named this bundle already`
  return `active    ${which}${saidBy(deciding)}${filed && before ? '; back with: writ policy rollback' : ''}`
}

/** Who said that it decides under the new version. */
export function saidBy(deciding: readonly string[]): string {
  if (deciding.length === 0)
    return ' is filed; no address of a policy-evaluator or token-issuer is known here, so none was asked'
  return `, and ${deciding.join(', ')} ${deciding.length === 1 ? 'decides' : 'decide'} under it`
}
