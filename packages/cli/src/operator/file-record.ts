import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { ask } from '@writ/agent-sdk'
import { type Command, commandMessage, Fault, type RecordKind, type RecordOf, resultMessage } from '@writ/contracts'
import { canonicalJson, digestOf, signMessage } from '@writ/keys'
import { checkClaims } from './check-claims.ts'
import type { CosignedSession } from './cosigners.ts'

export interface Filing<K extends RecordKind = RecordKind> {
  readonly kind: K
  readonly id: string
  /** The whole new record; null removes it. */
  readonly record: RecordOf<K> | null
  readonly reason: string
  /** The highest version + 1; 1 for the first. */
  readonly version: number
  /** Sends the same command again for so long while the answer is `unavailable`: what keeps it from being filed may end. Absent: 0. */
  readonly patienceMs?: number
}

const COMMAND_SECONDS = 300
const AGAIN_MS = 500

/**
 * Signs a record as this operator's command, with the session's cosigners, and has intent-gateway file it. Resolves when it is in force and read back.
 * Throws the Fault of the refusal: `wrong_version`, `replayed` (a key is registered already), `wrong_role`, `chain_broken`, …
 */
export async function fileRecord<K extends RecordKind>(
  session: CosignedSession,
  filing: Filing<K>,
): Promise<{ readonly version: number }> {
  const iat = Math.floor(Date.now() / 1000)
  const claims = {
    iss: session.id,
    aud: session.authority.audience,
    iat,
    exp: iat + COMMAND_SECONDS,
    jti: randomUUID(),
    kind: filing.kind,
    id: filing.id,
    version: filing.version,
    record: filing.record,
    reason: filing.reason,
  } as unknown as Command
  checkClaims(commandMessage.schema, claims, 'The record')
  const body = await signedBody(session, claims)
  const send = () =>
    ask(session, {
      subject: session.subjects.command(session.id),
      body,
      from: 'intent-gateway',
      replies: [resultMessage],
    })
  const until = Date.now() + (filing.patienceMs ?? 0)
  let { claims: result } = await send()
  while (result.code === 'unavailable' && Date.now() < until) {
    await delay(AGAIN_MS)
    result = (await send()).claims
  }
  if (!result.ok) throw new Fault(result.code ?? 'internal', { message: result.message ?? 'The record was refused.' })
  return { version: result.version ?? filing.version }
}

/** The command and, a line each, what other operators sign under it. */
async function signedBody({ signer, cosigners = [] }: CosignedSession, claims: Command): Promise<string> {
  const command = await signMessage(signer, commandMessage, claims)
  const { aud, iat, exp } = claims
  const about = { compact: command, digest: digestOf(command), aud, iat, exp }
  return [command, ...(await Promise.all(cosigners.map((cosigner) => cosigner(about))))].join('\n')
}

/**
 * Files a record unless the one in force says the same.
 *
 * @param over the version that the new one was made from; Fault `wrong_version` when another is in force by now. Absent: whichever is.
 */
export async function ensureRecord<K extends RecordKind>(
  session: CosignedSession,
  filing: Omit<Filing<K>, 'version'>,
  over?: number,
): Promise<{ readonly version: number; readonly filed: boolean }> {
  const { reader, authority } = session
  await reader.signers()
  await reader.registry()
  const current = authority.trust.record(filing.kind, filing.id)
  const version = authority.trust.version(filing.kind, filing.id)
  if (over !== undefined && version !== over)
    throw new Fault('wrong_version', {
      message: `Version ${version} was filed meanwhile; this was made from version ${over}.`,
    })
  if (current !== undefined && filing.record !== null && sameRecord(current.record, filing.record))
    return { version, filed: false }
  return { ...(await fileRecord(session, { ...filing, version: version + 1 })), filed: true }
}

function sameRecord(a: unknown, b: unknown): boolean {
  return canonicalJson(a as never) === canonicalJson(b as never)
}
