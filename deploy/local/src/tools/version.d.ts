/** Major, minor, patch. */
export type Version = readonly [number, number, number]
/** The first dotted number in a program's `--version` output or a package's version; undefined: there is none. */
export declare function parseVersion(text: string): Version | undefined
export declare function formatVersion(version: Version): string
/** Negative, zero or positive, as `a` is older than, the same as or newer than `b`. */
export declare function compareVersions(a: Version, b: Version): number
//# sourceMappingURL=version.d.ts.map
