import { access } from 'node:fs/promises'
import { formatVkey, parseVkey } from '@writ/audit'
import { Fault, isFault } from '@writ/contracts'
import { lockDirectory } from '@writ/durable'
import { generateJwk, readKeyFile, type Signer, signerOf, writeKeyFile } from '@writ/keys'
import { type Arguments, readArguments, USAGE } from './arguments.ts'
import { serveWitness } from './serve.ts'
import { Witness } from './witness.ts'

export interface Surroundings {
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  /** Resolves when the process is to end. */
  readonly stopped: () => Promise<unknown>
}

/** Runs the program; the result is its exit code: 0, or 2 for arguments and files that it cannot work with. */
export async function runWitness(args: readonly string[], { out, err, stopped }: Surroundings): Promise<number> {
  try {
    const given = readArguments(args)
    if (given.only === 'usage') out(USAGE)
    else if (given.only === 'vkey') out(`${formatVkey(witnessOf(given, await openKey(given.key)).verifier)}\n`)
    else await serve(given, { out, err, stopped })
    return 0
  } catch (error) {
    if (!isFault(error) && !(error instanceof RangeError)) throw error
    err(`${error.message}\n`)
    return 2
  }
}

async function serve(given: Arguments, { out, err, stopped }: Surroundings): Promise<void> {
  const witness = witnessOf(given, await openKey(given.key))
  const lock = await lockDirectory(given.state)
  try {
    const listening = await serveWitness(witness, {
      host: given.host,
      port: given.port,
      said: (line) => err(`${line}\n`),
    })
    out(`${formatVkey(witness.verifier)}\n${listening.url}\n`)
    await stopped()
    await listening[Symbol.asyncDispose]()
  } finally {
    await lock[Symbol.asyncDispose]()
  }
}

function witnessOf({ name, state, logs }: Arguments, signer: Signer): Witness {
  const verifiers = logs.map((vkey) => parseVkey(vkey))
  return new Witness({ name, signer, logs: verifiers, dir: state, nowSeconds: () => Math.floor(Date.now() / 1000) })
}

/** Made on the first start. A key that cannot be read is refused, never replaced. */
async function openKey(path: string): Promise<Signer> {
  const there = await access(path).then(
    () => true,
    () => false,
  )
  if (!there) await writeKeyFile(path, generateJwk('EdDSA')).catch(refuse(path))
  return signerOf(await readKeyFile(path))
}

const refuse =
  (path: string) =>
  (cause: unknown): never => {
    throw isFault(cause) ? cause : new Fault('unavailable', { message: `The key file ${path} cannot be made.`, cause })
  }
