import { readFile } from 'node:fs/promises'
import { Fault, type PublicJwk } from '@writ/contracts'
import { parseIJson, thumbprint } from '@writ/keys'
import { EXIT } from '../exit-codes.ts'
import type { Invocation } from '../invocation.ts'
import { styled } from '../terminal/style.ts'
import { operatorKeys } from './audit-place.ts'
import { readPublicKey, verifyReport } from './report-signature.ts'
import { REPORT_FORMAT } from './verification-report.ts'

export interface CheckReportOptions {
  readonly signature?: string
  readonly signer?: readonly string[]
  readonly trust?: string
}

/** `writ audit check-report FILE`: who signed a report, and that it is as it was signed. Ends with 6 also where the report itself found something. */
export async function auditCheckReport(
  invocation: Invocation,
  file: string,
  { signature = `${file}.jws`, signer, trust }: CheckReportOptions,
): Promise<void> {
  const [report, detached] = await Promise.all([file, signature].map(read))
  const keys = signer === undefined ? await operatorKeys(invocation, trust) : await namedKeys(signer)
  const key = verifyReport(report as Buffer, (detached as Buffer).toString('latin1'), [...keys.values()])
  const by = [...keys].find(([, one]) => one === key)?.[0] ?? ''
  const { format, ok, verdicts, statement, made_at } = parseIJson(report as Buffer)
  if (format !== REPORT_FORMAT)
    throw new Fault('malformed', { message: `${file} is signed, and is no report of a form that is known here.` })
  const found = ok === true
  const said = Array.isArray(statement) ? statement.map(String) : []
  invocation.out.result(
    { ok: found, signature: 'verified', signed_by: by, kid: thumbprint(key), made_at, verdicts, statement },
    [
      [styled('green', `✓ signed by ${by}`), ` (key ${thumbprint(key)}), made ${String(made_at)}, and unaltered since`],
      'The report says:',
      [styled(found ? 'green' : 'red', `  ${said[0] ?? ''}`)],
      ...said.slice(1).map((text) => `  ${text}`),
    ],
  )
  if (!found) invocation.fail(EXIT.notVerified)
}

async function namedKeys(files: readonly string[]): Promise<ReadonlyMap<string, PublicJwk>> {
  return new Map(
    await Promise.all(files.map(async (path) => [`the key in ${path}`, await readPublicKey(path)] as const)),
  )
}

async function read(path: string): Promise<Buffer> {
  return await readFile(path).catch((cause: unknown) => {
    throw new Fault('unavailable', { message: `${path} cannot be read.`, cause })
  })
}
