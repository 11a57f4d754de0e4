import { EXIT } from '../exit-codes.ts'
import type { Invocation } from '../invocation.ts'
import { openSource } from '../policy/source.ts'
import { linesOfTests } from './policy-text.ts'

/** `writ policy test [PATH]`: needs no plane. */
export async function testPolicy(invocation: Invocation, path: string | undefined): Promise<void> {
  const source = await openSource(invocation, path)
  const { problems, tests, built, from } = source
  const golden = (built?.table ?? []).map(({ name, after, failed }) => ({ name, decided: after?.outcome, failed }))
  const about = built === undefined ? {} : { bundle_sha256: built.bundle.bundleSha256, revision: built.bundle.revision }
  invocation.out.result(
    {
      ok: problems.length === 0,
      path: source.path,
      from,
      ...about,
      ...(tests !== undefined && { tests }),
      golden,
      problems,
    },
    linesOfTests(source),
  )
  if (problems.length > 0) invocation.fail(EXIT.refused)
}
