import { join } from 'node:path'
import { encodeOperator } from '@nats-io/jwt'
import { ACCOUNTS, type StreamName, streams } from '@writ/contracts'
import { accountJwt } from './account-jwt.ts'
import type { Plane } from './plane.ts'
import { revocationsOf } from './revoked-users.ts'

export interface ServerOptions {
  /** Where JetStream and the account resolver keep their files; absolute. */
  readonly dataDir: string
  /** Loopback unless told otherwise. */
  readonly host?: string
  readonly port: number
  /** HTTP monitoring on the same host, where services assert the sync setting; absent: none. */
  readonly monitorPort?: number
  /** As given to `ensureStreams`: the storage that the server reserves must hold them all. */
  readonly bytesMax?: Readonly<Partial<Record<StreamName, number>>>
  readonly cluster?: { readonly serverName: string; readonly listen: string; readonly routes: readonly string[] }
}

/** Room beside the streams' own bounds, for what a server reserves for itself. */
const STORE_BYTES_EXTRA = 2 ** 30

/**
 * The text of a nats-server configuration in operator mode. It holds account JWTs as of now, withdrawn credentials included,
 * and no secret. `sync_interval: always` is what the flushed streams' promise rests on.
 */
export async function serverConfig(plane: Plane, options: ServerOptions): Promise<string> {
  const { keys, region } = plane
  const { dataDir, host = '127.0.0.1', port, monitorPort, cluster } = options
  const system = keys.accounts.SYS.getPublicKey()
  const preload = ACCOUNTS.map(async (name) => {
    const jwt = await accountJwt(region, keys, name, await revocationsOf(plane, name))
    return `  ${keys.accounts[name].getPublicKey()}: ${jwt}`
  })
  const reserved = streams(region, options.bytesMax).reduce((sum, { max_bytes }) => sum + max_bytes, STORE_BYTES_EXTRA)
  return [
    `listen: ${quoted(`${host}:${port}`)}`,
    ...(monitorPort === undefined ? [] : [`http: ${quoted(`${host}:${monitorPort}`)}`]),
    `operator: ${await encodeOperator('writ', keys.operator, { system_account: system })}`,
    `system_account: ${system}`,
    `resolver: { type: full, dir: ${quoted(join(dataDir, 'accounts'))}, allow_delete: false, interval: "2m" }`,
    'resolver_preload: {',
    ...(await Promise.all(preload)),
    '}',
    `jetstream: { store_dir: ${quoted(join(dataDir, 'jetstream'))}, sync_interval: always, max_file_store: ${reserved} }`,
    ...(cluster === undefined ? [] : clusterLines(cluster)),
    '',
  ].join('\n')
}

function clusterLines({ serverName, listen, routes }: NonNullable<ServerOptions['cluster']>): readonly string[] {
  const list = routes.map(quoted).join(', ')
  return [`server_name: ${quoted(serverName)}`, `cluster: { name: writ, listen: ${quoted(listen)}, routes: [${list}] }`]
}

const quoted = (text: string): string => JSON.stringify(text)
