import { setTimeout as sleep } from 'node:timers/promises'
import { Fault } from '@writ/contracts'

/** How long a policy-evaluator may take to load a bundle. */
const ACTIVE_WITHIN_MS = 15_000
const LOOK_EVERY_MS = 200
const ANSWER_WITHIN_MS = 2000

/** The gauge by which policy-evaluator says under which version it decides. */
const ACTIVE = /^writ_policy_active_info\{([^}]*)\} 1$/m

/**
 * Waits until each policy-evaluator whose address is known says that it decides under this version, or a higher one.
 * Throws Fault `unavailable` when one does not in time.
 *
 * @param services health addresses by name
 * @returns their names; empty where none is known: then nobody was asked
 */
export async function untilActive(
  services: Readonly<Record<string, string>>,
  version: number,
): Promise<readonly string[]> {
  const evaluators = Object.entries(services).filter(([name]) => name.startsWith('policy-evaluator'))
  const deadline = performance.now() + ACTIVE_WITHIN_MS
  for (const [name, url] of evaluators) {
    while ((await activeVersion(url)) < version) {
      if (performance.now() > deadline)
        throw new Fault('unavailable', {
          message: `Version ${version} is filed, and ${name} does not say yet that it decides under it.`,
        })
      await sleep(LOOK_EVERY_MS)
    }
  }
  return evaluators.map(([name]) => name)
}

/** 0 where it does not say, or does not answer. */
async function activeVersion(healthUrl: string): Promise<number> {
  try {
    const answer = await fetch(new URL('/metrics', healthUrl), { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) })
    const labels = ACTIVE.exec(await answer.text())?.[1] ?? ''
    return Number(/(?:^|,)version="([0-9]+)"/.exec(labels)?.[1] ?? 0)
  } catch {
    return 0
  }
}
