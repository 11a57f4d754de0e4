import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { type LogVerification, parseTlogPolicy, type TlogPolicy, verifyLog } from '@writ/audit'
import { Fault } from '@writ/contracts'
import { writeFileDurably } from '@writ/durable'
import type { Signer } from '@writ/keys'
import { withAdvice } from '../advice.ts'
import { EXIT } from '../exit-codes.ts'
import type { Invocation } from '../invocation.ts'
import { version } from '../version.ts'
import { advised, type EvidencePlace, evidencePlace, type PlaceOptions } from './audit-place.ts'
import { progressOf } from './audit-progress.ts'
import { linesOfVerification } from './audit-verdict.ts'
import { reportSigner, signReport } from './report-signature.ts'
import { verificationReport } from './verification-report.ts'

export interface VerifyOptions extends PlaceOptions {
  readonly knownCheckpoint?: readonly string[]
  readonly policy?: string
  readonly complete?: boolean
  readonly retentionDays?: number
  readonly locks?: boolean
  readonly out?: string
  readonly sign?: string
}

/** `writ audit verify [PLACE]` */
export async function auditVerify(
  invocation: Invocation,
  dir: string | undefined,
  options: VerifyOptions,
): Promise<void> {
  const { complete = false, sign } = options
  // Whoever has no key is told before a day's log was read.
  const signer = sign === undefined ? undefined : await signerFor(options.out, sign)
  const place = await evidencePlace(invocation, dir, options)
  const known = await readKnown(options.knownCheckpoint)
  const began = performance.now()
  const policy = await readPolicy(options.policy)
  const found = await verifyPlace(invocation, place, { ...options, known, policy })
  const seconds = (performance.now() - began) / 1000
  const report = verificationReport(found, { place, complete, seconds, madeAt: new Date(), madeBy: version() })
  const files = options.out === undefined ? [] : await writeReport(resolve(options.out), report, signer)
  invocation.out.result(report, [...linesOfVerification(found, seconds), ...files.map((file) => `written to ${file}`)])
  if (!found.ok) invocation.fail(EXIT.notVerified)
}

async function signerFor(out: string | undefined, key: string): Promise<Signer> {
  if (out !== undefined) return await reportSigner(key)
  const fault = new Fault('malformed', { message: '--sign signs the file that --out writes.' })
  throw withAdvice(fault, 'Name a file: --out report.json writes it, and report.json.jws beside it.')
}

/** The report, and its signature over exactly these bytes. */
async function writeReport(file: string, report: object, signer: Signer | undefined): Promise<readonly string[]> {
  const text = `${JSON.stringify(report, null, 2)}\n`
  const signature = signer === undefined ? undefined : await signReport(signer, text)
  await writeFileDurably(file, text)
  if (signature === undefined) return [file]
  await writeFileDurably(`${file}.jws`, `${signature}\n`)
  return [file, `${file}.jws`]
}

export interface VerifyPlaceOptions {
  /** Checkpoints from elsewhere that the log must go on from. */
  readonly known: readonly Uint8Array[]
  /** Which witnesses must have cosigned. */
  readonly policy?: TlogPolicy | undefined
  readonly complete?: boolean
  /** For how long objects must have been locked when they were stored. */
  readonly retentionDays?: number
  /** False: nobody asks how objects are locked. */
  readonly locks?: boolean
}

/** Verifies a log, telling on a terminal how far it has come. */
export async function verifyPlace(
  { out }: Pick<Invocation, 'out'>,
  { reader, vkeys, pins, subjectKeys, origin }: EvidencePlace,
  { known, policy, complete = false, retentionDays: days, locks = true }: VerifyPlaceOptions,
): Promise<LogVerification> {
  const tell = progressOf(out, 'verifying')
  try {
    const verifying = verifyLog({
      reader,
      vkeys,
      pins,
      known,
      complete,
      ...(locks && { retention: { now: new Date(), ...(days !== undefined && { days }) } }),
      ...(policy !== undefined && { policy }),
      ...(subjectKeys !== undefined && { subjectKeys }),
      ...(origin !== undefined && { origin }),
      onProgress: ({ entries, size }) => tell(entries, size),
    })
    return await advised(verifying)
  } finally {
    out.progress()
  }
}

export async function readKnown(paths: readonly string[] = []): Promise<readonly Uint8Array[]> {
  return await Promise.all(
    paths.map((path) =>
      readFile(path).catch((cause: unknown) => {
        throw new Fault('unavailable', { message: `The checkpoint ${path} cannot be read.`, cause })
      }),
    ),
  )
}

/** Faults `unavailable` where the file cannot be read, `malformed` where it is no policy. */
export async function readPolicy(path: string | undefined): Promise<TlogPolicy | undefined> {
  if (path === undefined) return undefined
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new Fault('unavailable', { message: `The witness policy ${path} cannot be read.`, cause })
  })
  return parseTlogPolicy(text)
}
