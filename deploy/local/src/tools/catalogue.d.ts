import type { Version } from './version.ts'
export type ToolName = 'nats-server' | 'redis-server' | 'opa'
export type Installer =
  | {
      readonly from: 'go'
      readonly module: string
      readonly version: Version
      readonly takes: string
    }
  | {
      readonly from: 'apt'
      readonly package: string
      readonly alsoNeeded: readonly string[]
      readonly takes: string
    }
export interface Tool {
  readonly name: ToolName
  /** An absolute path in this variable is used and nothing else. */
  readonly variable: string
  /** Under which names it is looked for in PATH. */
  readonly names: readonly string[]
  readonly versionArguments: readonly string[]
  readonly minimum: Version
  /** No other version will do: its output is compared byte for byte. */
  readonly exact?: true
  /** Why an older one is refused. */
  readonly why: string
  readonly installer: Installer
}
export declare const TOOLS: Readonly<Record<ToolName, Tool>>
//# sourceMappingURL=catalogue.d.ts.map
