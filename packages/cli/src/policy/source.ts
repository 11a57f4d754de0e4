import { readFile, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { Fault } from '@writ/contracts'
import type { Evaluator } from '@writ/policy'
import { reviewPolicies } from '@writ/policy/build'
import { type BundleReview, reviewBundle } from '@writ/policy/review'
import { findTool, resolveTool } from '@writ/tools'
import { withAdvice } from '../advice.ts'
import type { Invocation } from '../invocation.ts'

/** Policies that a command was given: a folder, which is built, or a built bundle. */
export interface PolicySource {
  readonly path: string
  readonly from: 'folder' | 'bundle'
  /** Absent where a folder makes no bundle. */
  readonly built?: BundleReview & { readonly bytes: Uint8Array }
  /** Why it must not be published; empty: nothing speaks against it. */
  readonly problems: readonly string[]
  /** OPA's own tests of a folder. A built bundle has none in it. */
  readonly tests?: { readonly ran: number; readonly coverage?: number }
}

/** Where policies are looked for unless the command says otherwise. */
export const DEFAULT_SOURCE = 'policies'

/**
 * Reads policies and runs every test that they bring: of a folder (`rego/`, `data/`, `golden/`, `capabilities.json`) OPA's check and
 * tests, and the golden decisions in the Wasm that it builds to; of a bundle the golden decisions that it carries.
 * Throws Fault `malformed` for what is neither, and `unavailable` where a folder is given and OPA cannot be had.
 *
 * @param before decides the column `before` of the table
 */
export async function openSource(
  { env, out }: Pick<Invocation, 'env' | 'out'>,
  given: string = DEFAULT_SOURCE,
  before?: Pick<Evaluator, 'evaluate'>,
): Promise<PolicySource> {
  const path = resolve(given)
  const found = await stat(path).catch((cause: unknown) => {
    const fault = new Fault('malformed', { message: `${path} is not there.`, cause })
    throw withAdvice(fault, 'Name a folder of policies, or the bundle.tar.gz that one was built to.')
  })
  if (!found.isDirectory()) {
    const bytes = await readFile(path)
    const review = reviewBundle(bytes, before)
    return { path, from: 'bundle', built: { ...review, bytes }, problems: review.problems }
  }
  const { findings, tests, coverage, built } = await reviewPolicies({
    directory: path,
    opa: await opaOf(env, (line) => out.note(line)),
    ...(before !== undefined && { before }),
  })
  return {
    path,
    from: 'folder',
    ...(built !== undefined && { built }),
    problems: findings.map(({ check, message }) => `${check}: ${message}`),
    tests: { ran: tests, ...(coverage !== undefined && { coverage }) },
  }
}

/** The OPA that builds bundles; it is installed where it can be. */
async function opaOf(env: Invocation['env'], log: (line: string) => void): Promise<string> {
  const found = await findTool('opa', { env, log: () => undefined })
  if (found !== undefined) return found.path
  try {
    return (await resolveTool('opa', { env, log })).path
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause
    throw withAdvice(cause, 'A bundle that is built already needs no OPA: name its file.')
  }
}

/** The bundle of a source. Throws Fault `malformed` with the first problem where a folder makes none. */
export function builtOf({ path, built, problems }: PolicySource): NonNullable<PolicySource['built']> {
  if (built !== undefined) return built
  throw new Fault('malformed', { message: `${path} makes no bundle. ${problems[0] ?? ''}`.trim().slice(0, 1000) })
}
