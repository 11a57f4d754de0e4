import { operatorSession } from '../context.ts'
import type { Invocation } from '../invocation.ts'
import { policyHistory } from '../policy/active-policy.ts'
import { styled } from '../terminal/style.ts'
import { instant } from './policy-text.ts'

/** `writ policy history` */
export async function showHistory(invocation: Invocation): Promise<void> {
  await using session = await operatorSession(await invocation.context())
  const versions = await policyHistory(session)
  const items = versions.map(({ version, record, filedAt, by, cosignedBy, reason, digest, active }) => ({
    version,
    active,
    filed_at: new Date(filedAt * 1000).toISOString(),
    by,
    cosigned_by: cosignedBy,
    bundle_sha256: record?.bundle_sha256 ?? null,
    revision: record?.revision ?? null,
    reason,
    command_digest: digest,
  }))
  invocation.out.table(
    { ok: true, versions: items },
    {
      columns: [
        { title: 'VERSION', align: 'right' },
        { title: 'FILED (UTC)' },
        { title: 'BY' },
        { title: 'BUNDLE', shrinks: true },
        { title: 'REVISION', shrinks: true },
        { title: 'REASON', shrinks: true },
      ],
      rows: versions.map(({ version, record, filedAt, by, cosignedBy, reason, active }) => [
        active ? styled('green', `* ${version}`) : String(version),
        instant(filedAt),
        [by, ...cosignedBy].join(' + '),
        record?.bundle_sha256 ?? 'none: removed',
        record?.revision ?? '',
        reason,
      ]),
      none: 'No policy was ever published.',
    },
  )
}
