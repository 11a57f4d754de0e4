/** Major, minor, patch. */
export type Version = readonly [number, number, number]

/** The first dotted number in a program's `--version` output or a package's version; undefined: there is none. */
export function parseVersion(text: string): Version | undefined {
  const found = /(?:^|[^\d.])(\d{1,9})\.(\d{1,9})(?:\.(\d{1,9}))?/.exec(text)
  return found === null ? undefined : [Number(found[1]), Number(found[2]), Number(found[3] ?? 0)]
}

export function formatVersion(version: Version): string {
  return version.join('.')
}

/** Negative, zero or positive, as `a` is older than, the same as or newer than `b`. */
export function compareVersions(a: Version, b: Version): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2]
}
