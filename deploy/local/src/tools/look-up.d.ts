import type { Env } from './run.ts'
/** Every executable of one of the names in PATH, in its order; relative entries are not looked into. */
export declare function inPath(env: Env, names: readonly string[]): Promise<readonly string[]>
export declare function isExecutable(path: string): Promise<boolean>
//# sourceMappingURL=look-up.d.ts.map
