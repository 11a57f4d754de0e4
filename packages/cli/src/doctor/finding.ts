/** One thing that was looked at. */
export interface Finding {
  /** What was looked at, a word or two. */
  readonly check: string
  readonly grade: 'ok' | 'warn' | 'fail'
  /** What was found. */
  readonly found: string
  /** What to do about it; there unless all is well. */
  readonly mend?: string
}

export const ok = (check: string, found: string): Finding => ({ check, grade: 'ok', found })
export const warn = (check: string, found: string, mend: string): Finding => ({ check, grade: 'warn', found, mend })
export const fail = (check: string, found: string, mend: string): Finding => ({ check, grade: 'fail', found, mend })
