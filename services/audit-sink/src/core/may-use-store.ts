import { type CheckResult, passes } from '@writ/worm-store'

/** Under which words a store may be used although a check failed. */
export interface Allowance {
  readonly mode: 'production' | 'development'
  /** `WRIT_STORE_UNPROVEN` */
  readonly unproven?: string
}

/**
 * Whether a log may be opened in a store with these results. In production a flag covers a directory and nothing else: whoever runs on one disk may say so, but a
 * bucket that does not hold what it should is never used.
 */
export function mayUseStore(results: readonly CheckResult[], { mode, unproven }: Allowance): boolean {
  if (passes(results)) return true
  const onlyDirectory = results.every(({ check, state }) => state !== 'failed' || check === 'directory')
  if (mode === 'development') return unproven !== undefined || onlyDirectory
  return unproven !== undefined && onlyDirectory
}
