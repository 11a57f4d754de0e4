import { type KeyPlace, misplacedKey, type ResidencyDemand } from '@writ/contracts'
import type { CheckResult } from './check-result.ts'

/** A signing key as its KMS describes it. */
export interface KeyDescription extends KeyPlace {
  /** In the words of the KMS API, for example `ECC_NIST_EDWARDS25519`. */
  readonly spec: string
}

/** Compares a key that signs the log with what the jurisdiction demands. `described` is undefined for a key in a file. */
export function keyFact(
  check: 'log_key' | 'cosign_key',
  described: KeyDescription | undefined,
  demand: ResidencyDemand | undefined,
): CheckResult {
  const found = described === undefined ? 'a key file' : textOf(described)
  if (demand === undefined) return { check, state: 'not tried', expected: '', observed: found }
  const { keys, partition } = demand
  if (keys === undefined)
    return { check, state: described === undefined ? 'ok' : 'failed', expected: 'a key file', observed: found }
  const holds =
    described !== undefined &&
    misplacedKey(described, demand) === undefined &&
    keys.specs.some((spec) => spec === described.spec)
  const expected = `${keys.specs.join(' or ')} in ${keys.regions.join(' or ')} (${partition})`
  return { check, state: holds ? 'ok' : 'failed', expected, observed: found }
}

const textOf = ({ spec, region, partition, multiRegion }: KeyDescription): string =>
  `${spec} in ${region} (${partition})${multiRegion ? ', which may be copied to other regions' : ''}`
