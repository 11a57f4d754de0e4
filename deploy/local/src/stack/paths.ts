import { join } from 'node:path'

/** Everything that the local stack keeps, below one folder (`.writ`). Removing the folder removes the plane. */
export interface LocalPaths {
  readonly root: string
  /** Endpoints for other programs. */
  readonly localJson: string
  readonly ports: string
  /** Processes started from here, so that a start after `kill -9` can end what was left. */
  readonly processes: string
  readonly plane: string
  readonly nats: string
  readonly natsConfig: string
  readonly redis: string
  /** The log, unless it lies elsewhere. */
  readonly store: string
  /** Names the store of a plane whose log lies elsewhere. */
  readonly storeUrl: string
  readonly plant: string
  log(name: string): string
  /** Enrolment package of a service instance. */
  service(role: string, instance: string): string
  /** State directory of a service instance or gateway. */
  state(name: string): string
  /** Enrolment package of an agent, gateway, approver or operator. */
  identity(kind: string, id: string): string
}

export function localPaths(root: string): LocalPaths {
  const at = (...names: string[]) => join(root, ...names)
  return {
    root,
    localJson: at('local.json'),
    ports: at('ports.json'),
    processes: at('processes.json'),
    plane: at('plane'),
    nats: at('nats'),
    natsConfig: at('nats', 'server.conf'),
    redis: at('redis'),
    store: at('store'),
    storeUrl: at('store.url'),
    plant: at('plant'),
    log: (name) => at('logs', `${name}.log`),
    service: (role, instance) => at('services', `${role}-${instance}`),
    state: (name) => at('state', name),
    identity: (kind, id) => at('identities', `${kind}-${id}`),
  }
}
