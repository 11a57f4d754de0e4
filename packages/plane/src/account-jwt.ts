import { type Account as AccountClaims, encodeAccount } from '@nats-io/jwt'
import { type Account, crossings } from '@writ/contracts'
import type { NatsKeys } from './nats-keys.ts'

const UNLIMITED = { data: -1, payload: -1, subs: -1, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 }
const JETSTREAM = {
  mem_storage: 0,
  disk_storage: -1,
  streams: -1,
  consumer: -1,
  disk_max_stream_bytes: 0,
  max_bytes_required: true,
}

/** User public key → Unix second: credentials issued until then stop working, and their connections close. */
export type Revocations = Readonly<Record<string, number>>

/** What the table of crossings means for one account, as NATS takes it. */
export function accountClaims(
  region: string,
  account: Account,
  publicKeys: Readonly<Record<Account, string>>,
  revocations: Revocations,
): Partial<AccountClaims> {
  const all = crossings(region)
  const exported = all.filter(({ from }) => from === account)
  const imported = all.filter(({ to }) => to.includes(account))
  return {
    exports: exported.map((crossing) => ({
      name: crossing.subject,
      subject: crossing.subject,
      type: crossing.kind,
      ...(crossing.kind === 'service' && { response_type: crossing.response }),
    })),
    imports: imported.map(({ kind, from, subject, as }) => ({
      name: subject,
      subject,
      type: kind,
      account: publicKeys[from],
      ...(as !== undefined && { local_subject: as }),
    })),
    limits: account === 'STORE' ? { ...UNLIMITED, ...JETSTREAM } : UNLIMITED,
    revocations,
  }
}

export function accountJwt(
  region: string,
  keys: NatsKeys,
  account: Account,
  revocations: Revocations,
): Promise<string> {
  const { SYS, STORE, SVC, EDGE } = keys.accounts
  const publicKeys = {
    SYS: SYS.getPublicKey(),
    STORE: STORE.getPublicKey(),
    SVC: SVC.getPublicKey(),
    EDGE: EDGE.getPublicKey(),
  }
  const claims = accountClaims(region, account, publicKeys, revocations)
  return encodeAccount(account, keys.accounts[account], claims, { signer: keys.operator })
}
