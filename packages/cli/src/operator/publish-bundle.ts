import type { Session } from '@writ/agent-sdk'
import { isRefusal } from '@writ/bus'
import { BUNDLE_BYTES_MAX, Fault } from '@writ/contracts'
import { sha256 } from '@writ/keys'
import { ensureRecord } from './file-record.ts'

/**
 * Publishes a policy bundle under its digest and files `policy/active` to name it. The bundle of a digest never changes, so one
 * that is there already is left as it is. Throws Fault `too_large` and what filing says.
 *
 * @param over the version of `policy/active` that it was compared with; Fault `wrong_version` when another is in force by now
 */
export async function publishBundle(
  session: Session,
  bundle: Uint8Array,
  revision: string,
  reason: string,
  over?: number,
): Promise<{ readonly bundleSha256: string; readonly version: number; readonly filed: boolean }> {
  if (bundle.byteLength > BUNDLE_BYTES_MAX)
    throw new Fault('too_large', { message: `A bundle is at most ${BUNDLE_BYTES_MAX} bytes.` })
  const bundleSha256 = sha256(bundle)
  const subject = session.subjects.bundle(bundleSha256)
  if ((await session.bus.last('POLICIES', subject)) === undefined) {
    await session.bus.store(subject, bundle, { stream: 'POLICIES' }).catch((error: unknown) => {
      if (!isRefusal(error, 'full')) throw error
    })
  }
  const stored = await session.bus.last('POLICIES', subject)
  if (stored === undefined || sha256(stored.data) !== bundleSha256) {
    throw new Fault('unavailable', { message: 'The bundle was not stored as it was sent.' })
  }
  const record = { bundle_sha256: bundleSha256, revision }
  const filed = await ensureRecord(session, { kind: 'policy', id: 'active', record, reason }, over)
  return { bundleSha256, ...filed }
}
