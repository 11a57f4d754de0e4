/**
 * @param {readonly number[]} sorted
 * @param {number} share
 */
function at(sorted, share) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

/**
 * @param {readonly number[]} values
 */
export function percentiles(values) {
  const sorted = values.toSorted((a, b) => a - b)
  return {
    n: sorted.length,
    p50: at(sorted, 0.5),
    p95: at(sorted, 0.95),
    p99: at(sorted, 0.99),
    max: sorted.at(-1) ?? Number.NaN,
  }
}

/**
 * @param {Record<string, number>} values
 */
export function total(values) {
  return Object.values(values).reduce((sum, value) => sum + value, 0)
}

/** Milliseconds of the monotonic clock that all processes of one machine share. */
export function clockMs() {
  return Number(process.hrtime.bigint() / 1000n) / 1000
}
