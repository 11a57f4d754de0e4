import { type FiledRecord, type FiledValue, parseFiledValue } from '@writ/authority'
import type { Bus } from '@writ/bus'
import { isRefusal } from '@writ/bus'
import {
  COSIGNS_MAX,
  DOCUMENT_BYTES_MAX,
  Fault,
  isFault,
  type ReasonCode,
  type RecordKind,
  SIGNER_KINDS,
  subjects,
} from '@writ/contracts'
import { requestDigest } from '@writ/keys'
import { currentTrace } from '@writ/service-kit'
import type { Claims } from '../adapters/claims.ts'
import type { Evidence } from '../adapters/evidence.ts'
import type { SubjectEraser } from '../adapters/subject-eraser.ts'
import { checkFiling, verifyCommand } from '../core/check-command.ts'
import type { AuthorityView, Clock, Log, Sign } from '../ports.ts'
import { result } from './answer.ts'
import { soon } from './soon.ts'

export interface FileRecordDeps {
  readonly region: string
  readonly view: AuthorityView
  readonly bus: Pick<Bus, 'store' | 'lastBySubject'>
  readonly claims: Claims
  readonly evidence: Evidence
  readonly eraser: Pick<SubjectEraser, 'assertMay' | 'erase'>
  readonly sign: Sign
  readonly clock: Clock
  readonly log: Log
  /** Where a device belongs by the operator's directory. */
  readonly regionOf: (deviceId: string) => string | undefined
}

type Outcome =
  | { readonly ok: true; readonly version: number }
  | { readonly ok: false; readonly code: ReasonCode; readonly message: string }

const TRIES_MAX = 8
const BODY_BYTES_MAX = (1 + COSIGNS_MAX) * (DOCUMENT_BYTES_MAX + 1)

/**
 * Files an operator's command: the exact lines, under `registry.<kind>.<id>`, and only if nobody has filed another version since it was
 * checked. It cannot make a record, and needs no policy. The same bytes again get the same answer.
 */
export function fileRecord(deps: FileRecordDeps): (operatorId: string, body: Uint8Array) => Promise<string> {
  return async (operatorId, body) => {
    if (body.byteLength > BODY_BYTES_MAX) throw new Fault('too_large', { message: 'The command is too large.' })
    await deps.view.catchUp()
    const filed = verifiedOrRepeated(deps, operatorId, body)
    const { jws, claims } = filed.command
    const claim = await deps.claims.take('command', operatorId, claims.jti, jws.digest)
    if (claim === 'another') throw new Fault('replayed', { message: 'Another command was signed under this jti.' })
    const outcome = claim.answer ?? (await decideFiling(deps, filed))
    if (claim.answer === undefined) await deps.claims.answer('command', operatorId, claims.jti, jws.digest, outcome)
    if (outcome.ok) await (filed.command.claims.kind === 'subject' ? erased(deps, filed) : recorded(deps, filed))
    return result(deps, requestDigest(body), outcome)
  }
}

/** Signatures always; times are not looked at again for what is filed already. */
function verifiedOrRepeated({ view, clock }: FileRecordDeps, operatorId: string, body: Uint8Array): FiledValue {
  const nowSeconds = clock.nowSeconds()
  try {
    return verifyCommand(view.authority, operatorId, body, nowSeconds)
  } catch (error) {
    if (!isFault(error) || error.code !== 'expired') throw error
    const filed = parseFiledValue(body)
    if (!isFiled(view, filed)) throw error
    return verifyCommand(view.authority, operatorId, body, filed.command.claims.iat)
  }
}

function isFiled({ authority }: AuthorityView, filed: FiledValue): boolean {
  return authority.trust.valueByDigest(filed.command.jws.digest) !== undefined
}

/** Retried while the answer is lost: what is found filed then is this command's yes. */
async function decideFiling(deps: FileRecordDeps, filed: FiledValue): Promise<Outcome> {
  const { kind, id, version } = filed.command.claims
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    if (isFiled(deps.view, filed)) return { ok: true, version }
    try {
      const last = await deps.bus.lastBySubject(streamOf(kind), subjects(deps.region).registry(kind, id))
      await deps.view.catchUp()
      if (isFiled(deps.view, filed)) return { ok: true, version }
      checkFiling(deps.view.authority, filed, deps.view.twoPerson, deps.regionOf)
      if (kind === 'subject') await deps.eraser.assertMay(id, version)
      if (await store(deps, filed, last?.seq ?? 0)) return { ok: true, version }
    } catch (error) {
      if (!isFault(error) || error.code === 'unavailable' || error.code === 'internal') throw error
      return { ok: false, code: error.code, message: error.message }
    }
  }
  throw new Fault('unavailable', { message: 'The record changes all the time.' })
}

/** False: something else was filed there meanwhile. Read back before it is answered. */
async function store(deps: FileRecordDeps, filed: FiledValue, seq: number): Promise<boolean> {
  const { kind, id } = filed.command.claims
  try {
    await deps.bus.store(subjects(deps.region).registry(kind, id), filed.value, {
      stream: streamOf(kind),
      expectLast: { seq },
      trace: currentTrace(),
    })
  } catch (error) {
    if (isRefusal(error, 'wrong-last-sequence')) {
      await deps.view.catchUp()
      return false
    }
    throw error
  }
  await deps.view.catchUp()
  if (!isFiled(deps.view, filed))
    throw new Fault('unavailable', { message: 'The record that was filed is not the one that is read.' })
  return true
}

/** The record stands whatever becomes of its evidence, which comes again before its first use. */
async function recorded({ evidence, log }: FileRecordDeps, { value }: FiledValue): Promise<void> {
  const report = (err: unknown): void => log.warn({ err }, 'a filed record is not in the log yet')
  await soon(evidence.filed(value), report).catch(report)
}

/** It is answered when the keys are gone. Who asks again, or whichever instance starts next, completes it. */
async function erased({ view, eraser }: FileRecordDeps, { command }: FiledValue): Promise<void> {
  const erasure = view.authority.trust.recordByDigest(command.jws.digest)
  if (erasure === undefined) throw new Fault('unavailable', { message: 'The record of the erasure cannot be read.' })
  await eraser.erase(erasure as FiledRecord<'subject'>)
}

function streamOf(kind: RecordKind): 'SIGNERS' | 'REGISTRY' {
  return SIGNER_KINDS.some((signer) => signer === kind) ? 'SIGNERS' : 'REGISTRY'
}
