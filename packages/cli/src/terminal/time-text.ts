/** RFC 3339 as people read it in a table: to the second, in UTC, `2026-11-24 22:12:34Z`. */
export function timeText(rfc3339: string): string {
  return `${rfc3339.slice(0, 10)} ${rfc3339.slice(11, 19)}Z`
}

/** A moment of today, to the second: `22:12:34 UTC`. People of several places read the same. */
export function clockText(moment: Date): string {
  return `${moment.toISOString().slice(11, 19)} UTC`
}
