export { resolveTool } from './resolve-tool.ts'
