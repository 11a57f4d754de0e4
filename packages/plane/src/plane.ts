import { join } from 'node:path'
import type { RecordKind, ServiceRole, Trust } from '@writ/contracts'
import type { NatsKeys } from './nats-keys.ts'

/** What a control plane is, as its operator's tool holds it. Everything secret stays in files of mode 0600 below `dir`. */
export interface Plane {
  /** Absolute. */
  readonly dir: string
  readonly region: string
  readonly natsUrl: string
  /** Key name of the log's checkpoints. */
  readonly logName: string
  readonly logVkey: string
  readonly twoPerson: readonly RecordKind[]
  readonly rootOperatorId: string
  /** What every enrolment package pins. */
  readonly trust: Trust
  readonly keys: NatsKeys
  readonly references: PlaneReferences
}

/** How each key is named to the service that uses it: `file:<path>` or `kms:<key>`. */
export interface PlaneReferences {
  /** `WRIT_LOG_KEY` */
  readonly log: string
  /** `WRIT_COSIGN_KEY`; absent: checkpoints say no time. */
  readonly cosign?: string
  /** `WRIT_WRAP_KEY` */
  readonly wrap: string
  /** `WRIT_ANCHOR_KEY` of a role. */
  anchor(role: ServiceRole): string
}

/** The files of a plane. No running service may read this directory, but for its own role's anchor key file. */
export interface PlanePaths {
  /** Region, address and names: nothing secret. */
  readonly settings: string
  /** Operator and account keys of NATS: whoever has them can make any user. */
  readonly nats: string
  /** One file a NATS user made: `<kind>.<id>.<user public key>`. */
  readonly users: string
  /** One file a user whose credentials were withdrawn: `<account>.<user public key>.<Unix second>`. */
  readonly revoked: string
  readonly storeCredentials: string
  readonly systemCredentials: string
  /** The root operator's enrolment package, with the root key. */
  readonly rootOperator: string
  readonly rootOperatorKey: string
  /** Ed25519: signs the log's checkpoints. No anchor. */
  readonly logKey: string
  /** Ed25519: signs the times of checkpoints, where there is one. */
  readonly cosignKey: string
  /** 32 random bytes: wraps the subject keys (`WRIT_WRAP_KEY`). */
  readonly wrapKey: string
  /** ES256: endorses the signing keys that a role's instances make at boot. */
  anchorKey(role: ServiceRole): string
}

export function planePaths(dir: string): PlanePaths {
  const at = (...names: string[]) => join(dir, 'provisioning', ...names)
  return {
    settings: at('plane.json'),
    nats: at('nats'),
    users: at('users'),
    revoked: at('revoked'),
    storeCredentials: at('nats', 'store.creds'),
    systemCredentials: at('nats', 'system.creds'),
    rootOperator: at('root'),
    rootOperatorKey: at('root', 'key.jwk'),
    logKey: at('keys', 'log.jwk'),
    cosignKey: at('keys', 'cosign.jwk'),
    wrapKey: at('keys', 'wrap.key'),
    anchorKey: (role) => at('keys', 'anchors', `${role}.jwk`),
  }
}
