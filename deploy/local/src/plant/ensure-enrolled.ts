import { ensureRecord } from '@writ/cli'
import { Fault, type PublicJwk, type RecordOf } from '@writ/contracts'
import { thumbprint } from '@writ/keys'
import { enrol } from '@writ/plane'
import type { Stack } from '../stack/stack.ts'

export const REASON = 'The pilot plant.'

/**
 * Makes an identity's package and files its record, where they are not there. A record that has the package's key keeps all its keys: a
 * rotation may be under way.
 */
export async function ensureEnrolled<K extends 'gateway' | 'agent' | 'approver'>(
  { plane, paths, operator }: Pick<Stack, 'plane' | 'paths' | 'operator'>,
  kind: K,
  id: string,
  record: (keys: PublicJwk[]) => RecordOf<K>,
): Promise<void> {
  const { publicKey } = await enrol(plane, { kind, id, outDir: paths.identity(kind, id), key: 'ES256' })
  if (publicKey === undefined) throw new Fault('internal', { message: `The package of ${kind} ${id} has no key.` })
  await operator.reader.signers()
  await operator.reader.registry()
  const keys = operator.authority.trust.record<'gateway' | 'agent' | 'approver'>(kind, id)?.record.keys ?? []
  const own = thumbprint(publicKey)
  const kept = keys.some((key) => thumbprint(key) === own) ? [...keys] : [publicKey]
  await ensureRecord(operator, { kind, id, record: record(kept), reason: REASON })
}
