import type { PolicyBundle } from '@writ/policy'
import { operatorSession } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import type { Invocation } from '../invocation.ts'
import { activePolicyOrFault } from '../policy/active-policy.ts'
import { type BundleChanges, bundleChanges } from '../policy/bundle-changes.ts'
import { builtOf, openSource } from '../policy/source.ts'
import type { Line } from '../terminal/style.ts'
import { linesOfReplay, type RecordedFlags, replayIfReadable } from './policy-recorded.ts'
import { linesOfGolden } from './policy-text.ts'

/** `writ policy diff [PATH]`: differences are no failure; a candidate that must not be published is. */
export async function diffPolicy(
  invocation: Invocation,
  path: string | undefined,
  flags: RecordedFlags,
): Promise<void> {
  const context = await invocation.context()
  await using session = await operatorSession(context)
  const active = await activePolicyOrFault(session)
  const source = await openSource(invocation, path, active.evaluator)
  const { bundle, evaluator, table } = builtOf(source)
  const candidate = { version: active.version + 1, bundleSha256: bundle.bundleSha256 }
  const recorded = await replayIfReadable(context, flags, evaluator, candidate)
  const changes = bundleChanges(active.bundle, bundle)
  invocation.out.result(
    {
      ok: source.problems.length === 0,
      active: named(active.bundle, active.version),
      candidate: named(bundle),
      problems: source.problems,
      sources: changes,
      golden: table.filter((row) => row.changed.length > 0),
      recorded,
    },
    [
      `active    version ${active.version}, bundle ${active.bundle.bundleSha256}`,
      `candidate bundle ${bundle.bundleSha256}${source.problems.length === 0 ? '' : ', which must not be published:'}`,
      ...source.problems.flatMap((problem) => problem.split('\n').map((line) => `  ${line}`)),
      ...linesOfChanges(changes),
      ...linesOfGolden(table),
      ...linesOfReplay(recorded),
    ],
  )
  if (source.problems.length > 0) invocation.fail(EXIT.refused)
}

function named({ bundleSha256, revision }: PolicyBundle, version?: number) {
  return { ...(version !== undefined && { version }), bundle_sha256: bundleSha256, revision }
}

function linesOfChanges({ modules, tables, reasons }: BundleChanges): readonly Line[] {
  const counts = [...modules, ...tables, ...reasons]
  if (counts.length === 0) return ['sources   no rule, table or reason is another']
  return [
    `sources   ${modules.length} modules, ${tables.length} values in tables, ${reasons.length} reasons are others`,
    ...modules.map(({ path, how }) => `  ${how}  ${path}`),
    ...tables.map(({ path, before, after }) => `  changed  ${path}: ${shown(before)} → ${shown(after)}`),
    ...reasons.map(({ how, code, message }) => `  ${how}  ${code}: ${message}`),
  ]
}

const SHOWN_MAX = 120

function shown(value: unknown): string {
  const text = value === undefined ? 'nothing' : JSON.stringify(value)
  return text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text
}
