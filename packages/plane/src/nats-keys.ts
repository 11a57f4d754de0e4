import { join } from 'node:path'
import { createAccount, createOperator, fromSeed, type KeyPair } from '@nats-io/nkeys'
import { ACCOUNTS, type Account } from '@writ/contracts'
import { secretFile } from './secret-files.ts'

/** The keys that make accounts and users of NATS. They stay with the operator's tool. */
export interface NatsKeys {
  readonly operator: KeyPair
  readonly accounts: Readonly<Record<Account, KeyPair>>
}

/** Reads the seeds in `dir`, making what is not there. */
export async function natsKeys(dir: string): Promise<NatsKeys> {
  const load = async (name: string, make: () => KeyPair): Promise<KeyPair> =>
    fromSeed(trimmed(await secretFile(join(dir, `${name}.nk`), () => make().getSeed())))
  const accounts = await Promise.all(ACCOUNTS.map(async (name) => [name, await load(name, createAccount)] as const))
  return {
    operator: await load('operator', createOperator),
    accounts: Object.fromEntries(accounts) as NatsKeys['accounts'],
  }
}

const trimmed = (seed: Buffer): Uint8Array => new Uint8Array(Buffer.from(seed.toString('latin1').trim(), 'latin1'))
