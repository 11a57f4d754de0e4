import { readFile } from 'node:fs/promises'
import { type LogVerification, verifyLog } from '@writ/audit'
import { Fault } from '@writ/contracts'
import { EXIT } from '../exit-codes.ts'
import type { Invocation } from '../invocation.ts'
import { advised, type EvidencePlace, evidencePlace, type PlaceOptions } from './audit-place.ts'
import { progressOf } from './audit-progress.ts'
import { linesOfVerification, verdictOf } from './audit-verdict.ts'

export interface VerifyOptions extends PlaceOptions {
  readonly checkpoint?: readonly string[]
  readonly complete?: boolean
}

/** `writ audit verify [DIR]` */
export async function auditVerify(
  invocation: Invocation,
  dir: string | undefined,
  options: VerifyOptions,
): Promise<void> {
  const place = await evidencePlace(invocation, dir, options)
  const known = await Promise.all((options.checkpoint ?? []).map(readKnown))
  const began = performance.now()
  const found = await verifyPlace(invocation, place, known, options.complete)
  const seconds = (performance.now() - began) / 1000
  const { out, fail } = invocation
  out.result(
    { ...found, verdict: verdictOf(found), seconds: Math.round(seconds * 1000) / 1000 },
    linesOfVerification(found, seconds),
  )
  if (!found.ok) fail(EXIT.notVerified)
}

/** Verifies a log, telling on a terminal how far it has come. `known`: checkpoints from earlier that the log must go on from. */
export async function verifyPlace(
  { out }: Pick<Invocation, 'out'>,
  { reader, vkeys, pins, subjectKeys, origin }: EvidencePlace,
  known: readonly Uint8Array[],
  complete = false,
): Promise<LogVerification> {
  const tell = progressOf(out, 'verifying')
  try {
    const verifying = verifyLog({
      reader,
      vkeys,
      pins,
      known,
      complete,
      ...(subjectKeys !== undefined && { subjectKeys }),
      ...(origin !== undefined && { origin }),
      onProgress: ({ entries, size }) => tell(entries, size),
    })
    return await advised(verifying)
  } finally {
    out.progress()
  }
}

async function readKnown(path: string): Promise<Uint8Array> {
  return await readFile(path).catch((cause: unknown) => {
    throw new Fault('unavailable', { message: `The checkpoint ${path} cannot be read.`, cause })
  })
}
