import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { AuditSource, type NoteVerifier, openLogCheckpoint, parseVkey } from '@writ/audit'
import { openAnswer } from '@writ/authority'
import { isFault, type Sealed, sealedMessage } from '@writ/contracts'
import { type Clock, nowSeconds } from './clock.ts'
import type { Log } from './log.ts'
import type { Ground } from './open-ground.ts'

/** The gateway's own audit chain, with what the log has not taken over yet under `<stateDir>/audit`. */
export function openAudit(
  { identity, bus, authority }: Ground,
  stateDir: string,
  clock: Clock,
  log: Log,
): Promise<AuditSource> {
  const { enrolment, signer } = identity
  const vkeys: readonly NoteVerifier[] = enrolment.trust.log_vkeys.map(parseVkey)
  return AuditSource.start({
    dir: join(stateDir, 'audit'),
    region: enrolment.region,
    role: 'gateway',
    instance: enrolment.id,
    boot: `b${Math.floor(clock.nowMs()).toString(36)}${randomBytes(6).toString('hex')}`,
    signer,
    publish: async (subject, bytes) => {
      await bus.store(subject, bytes, { stream: 'AUDIT_EDGE' })
    },
    verifySealed: (body): Sealed => openAnswer(authority, 'audit-sink', sealedMessage, body, nowSeconds(clock)),
    verifyCheckpoint: (note) => {
      openLogCheckpoint(note, vkeys)
    },
    report: (problem, cause) => log.warn({ err: cause }, problem),
  })
}

/** Lets go of what the log has. A message that does not verify changes nothing. */
export async function takeSealed(audit: AuditSource, { guard }: Ground, body: Uint8Array, log: Log): Promise<void> {
  try {
    await audit.onSealed(body).catch(async (error: unknown) => {
      if (!isFault(error) || error.code !== 'unknown_key') throw error
      await guard.refreshSigners()
      await audit.onSealed(body)
    })
  } catch (error) {
    log.warn({ err: error }, 'A seal of the log is not believed.')
  }
}
