import { type ToolName } from './catalogue.ts'
import { type Env } from './run.ts'
export interface ResolveOptions {
  readonly env: Env
  /** One line for a person: why a program was passed over, and that an installation takes a while. */
  readonly log: (line: string) => void
}
export interface ResolvedTool {
  /** Absolute path of an executable. */
  readonly path: string
  /** `2.15.2` */
  readonly version: string
  readonly from: 'variable' | 'path' | 'cache' | 'installed'
}
/**
 * Finds a tool that will do, or installs one: the path in the tool's variable, else PATH, else the project's cache, else
 * an installation into that cache. There is no fallback to anything that only looks like the tool.
 * Throws Fault `unavailable` that says what to install, and also when the variable names one that will not do.
 */
export declare function resolveTool(name: ToolName, { env, log }: ResolveOptions): Promise<ResolvedTool>
//# sourceMappingURL=resolve-tool.d.ts.map
