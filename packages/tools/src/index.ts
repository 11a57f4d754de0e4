export type { ToolName } from './catalogue.ts'
export { pythonOf } from './python-of.ts'
export { findTool, type ResolvedTool, type ResolveOptions, resolveTool } from './resolve-tool.ts'
export type { Env } from './run.ts'
