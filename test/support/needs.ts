import { findTool, type ToolName } from '@writ/tools'

export type Had = { readonly path: string; readonly missing?: undefined } | { readonly missing: string }

/**
 * Whether a program that only tests need is at hand, for `describe.skipIf(had.missing !== undefined)(…)`: what was installed before the tests began is
 * found, what cannot be had on this machine is skipped with the reason in the summary (`titled`). In CI (`CI=true`) its absence is a failure.
 */
export async function had(name: ToolName): Promise<Had> {
  let missing = `${name} is not at hand`
  try {
    const found = await findTool(name, { env: process.env, log: () => undefined })
    if (found !== undefined) return { path: found.path }
  } catch (error) {
    missing = String((error as Error).message)
  }
  if (process.env['CI'] === 'true') throw new Error(`${missing}: in CI no test is skipped.`)
  return { missing }
}

/** The name of a suite, with the reason where it is skipped. */
export function titled(name: string, { missing }: Had): string {
  return missing === undefined ? name : `${name} (skipped: ${missing})`
}
