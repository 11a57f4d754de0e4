import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readEnrolment } from '@writ/agent-sdk'
import { type Enrolment, isFault } from '@writ/contracts'
import { fromBase64url, readKeyFile, thumbprint } from '@writ/keys'
import { planePaths } from '@writ/plane'
import { keyFiles, publicKeyIn } from '../identities/key-files.ts'
import { checkPrivate } from './check-files.ts'
import { type Finding, fail, ok, warn } from './finding.ts'

export type Package = Enrolment & { readonly folder: string }

export interface PackageFindings {
  readonly findings: readonly Finding[]
  /** Undefined: it cannot be read, so nothing that rests on it can be looked at. */
  readonly enrolment?: Package
  /** Of the signing key. */
  readonly kid?: string
}

/** An enrolment package by its files alone: form, modes, key, NATS login. `keyFile`: where the key lies, when not in it. */
export async function checkPackage(folder: string, keyFile?: string): Promise<PackageFindings> {
  let enrolment: Package
  try {
    enrolment = await readEnrolment(folder)
  } catch (error) {
    if (!isFault(error)) throw error
    const mend = 'Get the package again from whoever enrols, or name its folder: --enrolment DIR.'
    return { findings: [fail('enrolment', error.message, mend)] }
  }
  const { kind, id, region } = enrolment
  const files = keyFiles(enrolment.folder)
  const modes = await Promise.all(
    [
      enrolment.folder,
      join(enrolment.folder, 'enrolment.json'),
      enrolment.credentials_file,
      keyFile ?? files.current,
      files.old,
      files.next,
    ].map((path) => checkPrivate('file mode', path)),
  )
  const key = await checkKey(keyFile ?? files.current, kind)
  return {
    enrolment,
    ...(key.kid !== undefined && { kid: key.kid }),
    findings: [
      ok('enrolment', `${kind} ${id} of ${region}, in ${enrolment.folder}`),
      ...summed(modes.filter((finding) => finding !== undefined)),
      key.finding,
      ...(await checkRotation(enrolment)),
      ...(await checkLogin(enrolment)),
    ],
  }
}

/** One line where all is well. */
function summed(modes: readonly Finding[]): readonly Finding[] {
  const bad = modes.filter(({ grade }) => grade !== 'ok')
  return bad.length > 0 ? bad : [ok('file mode', `${modes.length} paths of the package are closed to others`)]
}

async function checkKey(file: string, kind: string): Promise<{ readonly finding: Finding; readonly kid?: string }> {
  try {
    const kid = thumbprint(await readKeyFile(file))
    return { kid, finding: ok('key', `${kid}`) }
  } catch (error) {
    const why = isFault(error) ? error.message : `${file} is no key.`
    return { finding: fail('key', why, `Put the key back, or register another: writ ${kind} rotate-key --help`) }
  }
}

async function checkRotation({ folder, kind, id }: Package): Promise<readonly Finding[]> {
  const files = keyFiles(folder)
  const [next, old] = await Promise.all(
    [publicKeyIn(files.next), publicKeyIn(files.old)].map((key) => key.catch(() => undefined)),
  )
  if (next !== undefined)
    return [warn('rotation', 'A rotation was interrupted: key.next.jwk is there.', `writ ${kind} rotate-key ${id}`)]
  if (old !== undefined)
    return [
      warn('rotation', 'A rotation is not finished: key.old.jwk is there.', `writ ${kind} rotate-key ${id} --finish`),
    ]
  return []
}

/** What a NATS user's JWT says of itself: `.creds` files hold it in the clear, beside the seed, which is not looked at. */
export interface Login {
  readonly name: string
  readonly user: string
  /** Unix seconds. */
  readonly exp?: number
}

/** Undefined: no `.creds` file. */
export function parseLogin(creds: string): Login | undefined {
  const [, payload] =
    /-----BEGIN NATS USER JWT-----\s+[\w-]+\.([\w-]+)\.[\w-]+\s+-+END NATS USER JWT-+/.exec(creds) ?? []
  if (payload === undefined) return undefined
  try {
    const { name, sub, exp } = JSON.parse(Buffer.from(fromBase64url(payload)).toString()) as Record<string, unknown>
    if (typeof name !== 'string' || typeof sub !== 'string') return undefined
    return { name, user: sub, ...(Number.isSafeInteger(exp) && { exp: exp as number }) }
  } catch {
    return undefined
  }
}

async function checkLogin({ credentials_file, kind, id }: Package): Promise<readonly Finding[]> {
  const text = await readFile(credentials_file, 'utf8').catch(() => undefined)
  const mend = `writ credentials renew ${kind} ${id}`
  if (text === undefined) return [fail('login', `${credentials_file} cannot be read.`, mend)]
  const login = parseLogin(text)
  if (login === undefined) return [fail('login', `${credentials_file} holds no NATS login.`, mend)]
  return [gradeLogin(login, kind, id, Math.floor(Date.now() / 1000), mend)]
}

export function gradeLogin(login: Login, kind: string, id: string, nowSeconds: number, mend: string): Finding {
  if (login.name !== `${kind}_${id}`)
    return fail('login', `The NATS login is ${login.name}’s, not ${kind} ${id}’s.`, mend)
  if (login.exp !== undefined && login.exp <= nowSeconds)
    return fail('login', `The NATS login expired at ${new Date(Math.max(0, login.exp) * 1000).toISOString()}.`, mend)
  return ok('login', `NATS user ${login.user}`)
}

/** Whether the plane's own list has the login among those it withdrew. Needs the plane's folder. */
export async function checkWithdrawn(
  planeDir: string,
  { credentials_file, kind, id }: Package,
): Promise<readonly Finding[]> {
  const text = await readFile(credentials_file, 'utf8').catch(() => '')
  const login = parseLogin(text)
  const names = await readdir(planePaths(planeDir).revoked).catch(() => [])
  if (login === undefined || !names.some((name) => name.split('.')[1] === login.user)) return []
  return [fail('login', 'The NATS login was withdrawn.', `writ credentials renew ${kind} ${id}`)]
}
