/** RFC 3339 as people read it in a table: to the second, in UTC, `2026-11-24 22:12:34Z`. */
export function timeText(rfc3339: string): string {
  return `${rfc3339.slice(0, 10)} ${rfc3339.slice(11, 19)}Z`
}
