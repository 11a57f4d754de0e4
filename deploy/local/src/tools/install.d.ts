import type { Tool } from './catalogue.ts'
import type { Env } from './run.ts'
import { type Version } from './version.ts'
/** One installer of a tool at a time, over all processes of this machine. */
export declare function whileLocked<T>(cache: string, tool: Tool, body: () => Promise<T>): Promise<T>
/**
 * Installs into a folder beside the cache's others, asks `versionOf` whether it will do, and only then gives it its
 * name: a folder in the cache is whole. Throws Fault `unavailable` with what a person can do about it.
 */
export declare function install(
  cache: string,
  tool: Tool,
  env: Env,
  versionOf: (path: string) => Promise<Version>,
): Promise<string>
//# sourceMappingURL=install.d.ts.map
