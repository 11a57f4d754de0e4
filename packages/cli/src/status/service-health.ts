import { parseMetrics, type Sample } from './read-metrics.ts'

export interface ServiceHealth {
  readonly name: string
  readonly url: string
  readonly state: 'ready' | 'not ready' | 'down'
  /** Checks that do not say `ok`, with what they say; why it does not answer. */
  readonly problems: readonly string[]
  readonly samples: readonly Sample[]
}

const WITHIN_MS = 2000

/** Asks a service's `/readyz` and `/metrics`. Never throws: what does not answer is down. */
export async function serviceHealth(name: string, url: string): Promise<ServiceHealth> {
  try {
    const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(WITHIN_MS) })
    const { ready, checks = {} } = (await response.json()) as { ready?: unknown; checks?: Record<string, unknown> }
    const problems = Object.entries(checks)
      .filter(([, said]) => said !== 'ok')
      .map(([check, said]) => `${check}: ${String(said)}`)
    return { name, url, state: ready === true ? 'ready' : 'not ready', problems, samples: await metricsOf(url) }
  } catch (error) {
    return { name, url, state: 'down', problems: [reasonOf(error)], samples: [] }
  }
}

async function metricsOf(url: string): Promise<readonly Sample[]> {
  try {
    const response = await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(WITHIN_MS) })
    return response.ok ? parseMetrics(await response.text()) : []
  } catch {
    return []
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'no answer'
  if (error.name === 'TimeoutError') return `no answer within ${WITHIN_MS} ms`
  const cause = error.cause instanceof Error ? error.cause.message : undefined
  return cause ?? error.message
}
