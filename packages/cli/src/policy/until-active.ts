import { setTimeout as sleep } from 'node:timers/promises'
import { Fault } from '@writ/contracts'
import { parseMetrics, type Sample } from '../status/read-metrics.ts'

/** How long a service may take to read a record and load its bundle. */
const ACTIVE_WITHIN_MS = 15_000
const LOOK_EVERY_MS = 200
const ANSWER_WITHIN_MS = 2000

/**
 * By which of its metrics each of the two deciders says under which version it decides. policy-evaluator names it once the bundle is
 * loaded; token-issuer names the record in force, under which alone it mints.
 */
const DECIDERS: Readonly<Record<string, (samples: readonly Sample[]) => number>> = {
  'policy-evaluator': (samples) => {
    const active = samples.find(({ name, value }) => name === 'writ_policy_active_info' && value === 1)
    return Number(active?.labels['version'] ?? 0)
  },
  'token-issuer': (samples) => samples.find(({ name }) => name === 'writ_policy_version')?.value ?? 0,
}

/**
 * Waits until each policy-evaluator and token-issuer whose address is known says that it decides under this version, or a higher one.
 * Throws Fault `unavailable` when one does not in time.
 *
 * @param services health addresses by name; a name begins with the role
 * @returns their names; empty where none is known: then nobody was asked
 */
export async function untilActive(
  services: Readonly<Record<string, string>>,
  version: number,
  withinMs: number = ACTIVE_WITHIN_MS,
): Promise<readonly string[]> {
  const deadline = performance.now() + withinMs
  const deciding: string[] = []
  for (const [name, url] of Object.entries(services)) {
    const [, activeIn] = Object.entries(DECIDERS).find(([role]) => name.startsWith(role)) ?? []
    if (activeIn === undefined) continue
    while (activeIn(await samplesOf(url)) < version) {
      if (performance.now() > deadline)
        throw new Fault('unavailable', {
          message: `Version ${version} is filed, and ${name} does not say yet that it decides under it.`,
        })
      await sleep(LOOK_EVERY_MS)
    }
    deciding.push(name)
  }
  return deciding
}

/** None where it does not answer. */
async function samplesOf(healthUrl: string): Promise<readonly Sample[]> {
  try {
    const answer = await fetch(new URL('/metrics', healthUrl), { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) })
    return answer.ok ? parseMetrics(await answer.text()) : []
  } catch {
    return []
  }
}
