import type { Tool } from './catalogue.ts'
import type { Env } from './run.ts'
/** Where the project keeps the tools it installed; the system's own are left alone. */
export declare function toolCache(env: Env): string
/** Paths of a tool in the cache, newest first. A folder is there whole or not at all. */
export declare function cached(dir: string, { name }: Tool): Promise<readonly string[]>
//# sourceMappingURL=cache.d.ts.map
