import { STORE_CHECKS, type StoreCheck } from '@writ/contracts'
import type { Sample } from './read-metrics.ts'

/** What sinks found their store to be when they started. */
export interface StoreState {
  readonly proven: boolean
  readonly failed: readonly StoreCheck[]
}

/** Undefined where no sink answered, or none has looked yet. A check counts as failed where one replica saw it fail. */
export function storeStateOf(services: readonly { readonly samples: readonly Sample[] }[]): StoreState | undefined {
  const samples = services.flatMap((service) => service.samples)
  const proven = samples.filter(({ name }) => name === 'writ_store_proven').map(({ value }) => value)
  const bad = new Set(
    samples.flatMap(({ name, labels, value }) =>
      name === 'writ_store_check_failed' && value === 1 ? [labels['check']] : [],
    ),
  )
  const failed = STORE_CHECKS.filter((check) => bad.has(check))
  if (failed.length === 0 && !proven.includes(1)) return undefined
  return { proven: failed.length === 0 && proven.every((value) => value === 1), failed }
}
