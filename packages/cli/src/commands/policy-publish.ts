import { Fault } from '@writ/contracts'
import { EXIT } from '../exit-codes.ts'
import type { Invocation } from '../invocation.ts'
import { publishBundle } from '../operator/publish-bundle.ts'
import { type ActivePolicy, activePolicy } from '../policy/active-policy.ts'
import { builtOf, openSource, type PolicySource } from '../policy/source.ts'
import { untilActive } from '../policy/until-active.ts'
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
  await using session = await signedSession(context, options)
  await session.reader.control()
  // An active bundle that cannot be used is no reason not to publish another.
  const active = await activePolicy(session).catch(() => undefined)
  const source = await openSource(invocation, path, active?.evaluator)
  for (const line of linesOfTests(source)) out.note(line)
  if (source.problems.length > 0) {
    refuse(invocation, source)
    return fail(EXIT.refused)
  }
  const { bundle, evaluator, table, bytes } = builtOf(source)
  if (active !== undefined) for (const line of linesOfGolden(table)) out.note(line)
  const version = session.authority.trust.version('policy', 'active') + 1
  const recorded: Replayed | undefined = options.replay
    ? await replayIfReadable(context, options, evaluator, { version, bundleSha256: bundle.bundleSha256 })
    : undefined
  if (recorded !== undefined) for (const line of linesOfReplay(recorded)) out.note(line)
  const found = { bundle_sha256: bundle.bundleSha256, revision: bundle.revision, recorded, golden: changedIn(table) }
  if (options.dryRun === true) return out.result({ ok: true, published: false, ...found }, ['nothing was published'])
  await session.reader.signers()
  if (session.authority.trust.version('policy', 'active') !== version - 1)
    throw new Fault('wrong_version', {
      message: `Version ${version} was filed meanwhile; what was shown is out of date.`,
    })
  const filed = await publishBundle(session, bytes, bundle.revision, options.reason)
  const deciding = await untilActive(context.services, filed.version)
  out.result({ ok: true, published: true, version: filed.version, filed: filed.filed, deciding, ...found }, [
    `published ${bundle.bundleSha256}, ${bytes.byteLength} bytes, revision ${bundle.revision}`,
    sentence(filed, deciding, active),
  ])
}

function refuse({ out }: Invocation, { problems, path }: PolicySource): void {
  const message = 'Policies that fail a test of their own are not published.'
  out.result({ ok: false, code: 'policy_denied', message, path, problems }, [`refused   ${message}`])
}

function changedIn(table: NonNullable<PolicySource['built']>['table']) {
  return table.filter(({ changed }) => changed.length > 0)
}

function sentence(
  { version, filed }: { readonly version: number; readonly filed: boolean },
  deciding: readonly string[],
  before: ActivePolicy | undefined,
): string {
  const which = filed ? `version ${version}` : `version ${version} named this bundle already`
  return `active    ${which}${saidBy(deciding)}${filed && before !== undefined ? '; back with: writ policy rollback' : ''}`
}

/** Who said that it decides under the new version. */
export function saidBy(deciding: readonly string[]): string {
  if (deciding.length === 0) return ' is filed; no address of a policy-evaluator is known here, so none was asked'
  return `, and ${deciding.join(', ')} ${deciding.length === 1 ? 'decides' : 'decide'} under it`
}
