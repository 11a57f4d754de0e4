export type { ToolName } from './catalogue.ts'
export { type ResolvedTool, type ResolveOptions, resolveTool } from './resolve-tool.ts'
export type { Env } from './run.ts'
