import type { Version } from './version.ts'

export type ToolName = 'nats-server' | 'redis-server' | 'opa'

export type Installer =
  | { readonly from: 'go'; readonly module: string; readonly version: Version; readonly takes: string }
  | { readonly from: 'apt'; readonly package: string; readonly alsoNeeded: readonly string[]; readonly takes: string }

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

export const TOOLS: Readonly<Record<ToolName, Tool>> = {
  'nats-server': {
    name: 'nats-server',
    variable: 'WRIT_NATS_SERVER',
    names: ['nats-server'],
    versionArguments: ['--version'],
    minimum: [2, 12, 0],
    why: 'it lacks the persistence mode of a stream and the expiry of a message',
    installer: { from: 'go', module: 'github.com/nats-io/nats-server/v2', version: [2, 15, 2], takes: 'half a minute' },
  },
  'redis-server': {
    name: 'redis-server',
    variable: 'WRIT_REDIS_SERVER',
    names: ['redis-server', 'valkey-server'],
    versionArguments: ['--version'],
    minimum: [7, 0, 0],
    why: 'its append-only file is of the older form',
    installer: { from: 'apt', package: 'redis-server', alsoNeeded: ['redis-tools'], takes: 'some seconds' },
  },
  opa: {
    name: 'opa',
    variable: 'WRIT_OPA',
    names: ['opa'],
    versionArguments: ['version'],
    minimum: [1, 22, 2],
    exact: true,
    why: 'the policy bundle is reproduced byte for byte, by that version alone',
    installer: {
      from: 'go',
      module: 'github.com/open-policy-agent/opa',
      version: [1, 22, 2],
      takes: 'a minute or two',
    },
  },
}
