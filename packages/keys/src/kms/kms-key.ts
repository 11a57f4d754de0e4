import { Fault } from '@writ/contracts'

/** A key in AWS KMS, as it was when it was opened. */
export interface KmsKey {
  /** `arn:<partition>:kms:<region>:<account>:key/<id>`: never an alias, which may come to mean another key. */
  readonly arn: string
  readonly partition: string
  readonly region: string
  readonly account: string
  /** KMS's name of it: `ECC_NIST_EDWARDS25519`, `ECC_NIST_P256` or `SYMMETRIC_DEFAULT`. */
  readonly spec: string
  readonly usage: 'SIGN_VERIFY' | 'ENCRYPT_DECRYPT'
  /** Whether copies of it may live in other regions, so that its region is a matter of who made copies. */
  readonly multiRegion: boolean
}

/** What a `kms:` reference says before anybody has been asked. */
export interface KmsReference {
  /** As KMS takes it: an ARN, `alias/<name>` or a key id. */
  readonly keyId: string
  /** Of an ARN; otherwise the SDK's own configuration decides. */
  readonly region?: string
}

const ARN = /^arn:([a-z0-9-]+):kms:([a-z0-9-]+):(\d{12}):((?:key|alias)\/[\w/-]{1,256})$/
const ALIAS = /^alias\/[\w/-]{1,250}$/
const KEY_ID = /^(?:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|mrk-[0-9a-f]{32})$/

/** Reads `kms:<ARN of a key or an alias>`, `kms:alias/<name>` or `kms:<key id>`. Throws Fault `malformed`. */
export function parseKmsReference(reference: string): KmsReference {
  const keyId = reference.startsWith('kms:') ? reference.slice('kms:'.length) : ''
  const region = ARN.exec(keyId)?.[2]
  if (region !== undefined) return { keyId, region }
  if (ALIAS.test(keyId) || KEY_ID.test(keyId)) return { keyId }
  throw new Fault('malformed', {
    message: 'A KMS key reference is kms:<ARN of a key or an alias>, kms:alias/<name> or kms:<key id>.',
  })
}

/** The parts of a key's ARN. Undefined where KMS answered with something else. */
export function partsOfKeyArn(arn: string): Pick<KmsKey, 'arn' | 'partition' | 'region' | 'account'> | undefined {
  const [, partition, region, account, resource] = ARN.exec(arn) ?? []
  if (partition === undefined || region === undefined || account === undefined) return undefined
  return resource?.startsWith('key/') === true ? { arn, partition, region, account } : undefined
}

/** How messages name a key: without its account. */
export function labelOf(keyId: string): string {
  return keyId.split(':').at(-1) ?? keyId
}
