/** Major, minor, patch. */
export type Version = readonly [number, number, number]

/** The first dotted number in a program's `--version` output or a package's version; undefined: there is none. */
export function parseVersion(text: string): Version | undefined {
  const found = /(?:^|[^\d.])(\d{1,9})\.(\d{1,9})(?:\.(\d{1,9}))?/.exec(text)
  return found === null ? undefined : [Number(found[1]), Number(found[2]), Number(found[3] ?? 0)]
}

/** A Go module's version. Of a pseudo-version, which names a commit and not a release, the last number is the commit's day: `[0, 0, 20260212]`. */
export function goVersion(text: string): string | undefined {
  const found = /^v(\d+)\.(\d+)\.(\d+)(?:-(?:0\.)?(\d{8})\d{6}-[0-9a-f]{12})?$/.exec(text)
  return found === null ? undefined : `${found[1]}.${found[2]}.${found[4] ?? found[3]}`
}

export function formatVersion(version: Version): string {
  return version.join('.')
}

/** Negative, zero or positive, as `a` is older than, the same as or newer than `b`. */
export function compareVersions(a: Version, b: Version): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2]
}
