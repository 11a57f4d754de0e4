import type { Version } from './version.ts'

/** The first three a plane needs, or whoever changes its policies; the others are for tests alone, and `npm start` never installs them. */
export type ToolName = 'nats-server' | 'redis-server' | 'opa' | 'versitygw' | 'minio' | 'moto_server' | 'tessera-fsck'

export type Installer =
  | {
      readonly from: 'go'
      readonly module: string
      /** As Go writes it, without the `v`. */
      readonly version: string
      /** What `go install` calls the program; absent: as the tool is called. */
      readonly makes?: string
      readonly takes: string
    }
  | {
      readonly from: 'pip'
      /** With extras, without a version. */
      readonly package: string
      readonly version: string
      /** What `python3 -m` runs. */
      readonly runs: string
      readonly takes: string
    }
  | { readonly from: 'apt'; readonly package: string; readonly alsoNeeded: readonly string[]; readonly takes: string }

export type TellsVersion =
  | { readonly by: 'arguments'; readonly arguments: readonly string[] }
  /** By what Go wrote into it at building: the program itself does not say, or says something else when it was installed by `go install`. */
  | { readonly by: 'go-build'; readonly module: string }
  /** By the package that its Python environment holds. */
  | { readonly by: 'python'; readonly package: string }

export interface Tool {
  readonly name: ToolName
  /** An absolute path in this variable is used and nothing else. */
  readonly variable: string
  /** Under which names it is looked for in PATH. */
  readonly names: readonly string[]
  /** How a program is asked for its version. */
  readonly tells: TellsVersion
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
    tells: { by: 'arguments', arguments: ['--version'] },
    minimum: [2, 12, 0],
    why: 'it lacks the persistence mode of a stream and the expiry of a message',
    installer: { from: 'go', module: 'github.com/nats-io/nats-server/v2', version: '2.15.2', takes: 'half a minute' },
  },
  'redis-server': {
    name: 'redis-server',
    variable: 'WRIT_REDIS_SERVER',
    names: ['redis-server', 'valkey-server'],
    tells: { by: 'arguments', arguments: ['--version'] },
    minimum: [7, 0, 0],
    why: 'its append-only file is of the older form',
    installer: { from: 'apt', package: 'redis-server', alsoNeeded: ['redis-tools'], takes: 'some seconds' },
  },
  opa: {
    name: 'opa',
    variable: 'WRIT_OPA',
    names: ['opa'],
    tells: { by: 'arguments', arguments: ['version'] },
    minimum: [1, 22, 2],
    exact: true,
    why: 'the policy bundle is reproduced byte for byte, by that version alone',
    installer: {
      from: 'go',
      module: 'github.com/open-policy-agent/opa',
      version: '1.22.2',
      takes: 'a minute or two',
    },
  },
  versitygw: {
    name: 'versitygw',
    variable: 'WRIT_VERSITYGW',
    names: ['versitygw'],
    tells: { by: 'go-build', module: 'github.com/versity/versitygw' },
    minimum: [1, 8, 0],
    why: 'what it does with Object Lock was looked at in that version',
    installer: {
      from: 'go',
      module: 'github.com/versity/versitygw/cmd/versitygw',
      version: '1.8.0',
      takes: 'a minute',
    },
  },
  minio: {
    name: 'minio',
    variable: 'WRIT_MINIO',
    names: ['minio'],
    tells: { by: 'go-build', module: 'github.com/minio/minio' },
    minimum: [0, 0, 20260212],
    why: 'it is older than the last one that its makers published',
    installer: {
      from: 'go',
      module: 'github.com/minio/minio',
      version: '0.0.0-20260212201848-7aac2a2c5b7c',
      takes: 'two or three minutes',
    },
  },
  moto_server: {
    name: 'moto_server',
    variable: 'WRIT_MOTO_SERVER',
    names: ['moto_server'],
    tells: { by: 'python', package: 'moto' },
    minimum: [5, 2, 5],
    why: 'the KMS of the tests was looked at in that version',
    installer: {
      from: 'pip',
      package: 'moto[server,s3,kms]',
      version: '5.2.5',
      runs: 'moto.server',
      takes: 'half a minute',
    },
  },
  'tessera-fsck': {
    name: 'tessera-fsck',
    variable: 'WRIT_TESSERA_FSCK',
    // `fsck` alone is also what systems call the checker of their disks; that one was not built from the module and is passed over.
    names: ['tessera-fsck', 'fsck'],
    tells: { by: 'go-build', module: 'github.com/transparency-dev/tessera' },
    minimum: [1, 0, 4],
    why: 'the log was checked with that version',
    installer: {
      from: 'go',
      module: 'github.com/transparency-dev/tessera/cmd/fsck',
      version: '1.0.4',
      makes: 'fsck',
      takes: 'some seconds',
    },
  },
}
