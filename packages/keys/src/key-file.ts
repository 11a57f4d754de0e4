import { chmod, open, readFile, stat } from 'node:fs/promises'
import { Fault } from '@writ/contracts'
import { type PrivateJwk, publicJwk } from './jwk.ts'

/** Writes a private key as JWK with mode 0600. Throws Fault `replayed` when the file exists: a key is never overwritten. */
export async function writeKeyFile(path: string, jwk: PrivateJwk): Promise<void> {
  const file = await open(path, 'wx', 0o600).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'EEXIST')
      throw new Fault('replayed', { message: `${path} exists; a key is never overwritten.`, cause })
    throw cause
  })
  try {
    await file.writeFile(`${JSON.stringify(jwk)}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  await chmod(path, 0o600)
}

/** Reads a private JWK. Throws Fault `unavailable` when others may read the file or it holds no key. */
export async function readKeyFile(path: string): Promise<PrivateJwk> {
  const { mode } = await stat(path).catch((cause: unknown) => {
    throw new Fault('unavailable', { message: `The key file ${path} cannot be read.`, cause })
  })
  if ((mode & 0o077) !== 0)
    throw new Fault('unavailable', { message: `The key file ${path} is open to others; make it mode 0600.` })
  return privateJwk(await readFile(path, 'utf8'), path)
}

function privateJwk(text: string, path: string): PrivateJwk {
  try {
    const jwk = JSON.parse(text) as { readonly d?: unknown }
    const { d } = jwk
    if (typeof d === 'string') return { ...publicJwk(jwk), d }
  } catch (cause) {
    throw new Fault('unavailable', { message: `${path} holds no private key.`, cause })
  }
  throw new Fault('unavailable', { message: `${path} holds no private key.` })
}
