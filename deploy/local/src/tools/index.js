export { resolveTool } from './resolve-tool.js'
//# sourceMappingURL=index.js.map
