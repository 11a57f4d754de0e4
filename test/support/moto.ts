import { pythonOf, resolveTool } from '@writ/tools'
import { type ServerProcess, startServer } from './server-process.ts'

export interface MotoOptions {
  /** A Python file that runs in moto's own environment instead of moto's server, with the same arguments (`-H`, `-p`). */
  readonly program?: string
}

/** Moto's server, which speaks the AWS API of S3, KMS and more on one loopback port and keeps nothing when it ends. */
export async function startMoto({ program }: MotoOptions = {}): Promise<ServerProcess> {
  const { path } = await resolveTool('moto_server', {
    env: process.env,
    log: (line) => process.stderr.write(`${line}\n`),
  })
  const python = program === undefined ? path : await pythonOf(path)
  if (python === undefined) throw new Error(`${path} does not say in which Python it runs.`)
  const { PATH = '', HOME = '', LANG = '' } = process.env
  return await startServer({
    command: python,
    args: ([port]) => [...(program === undefined ? [] : [program]), '-H', '127.0.0.1', '-p', `${port}`],
    env: { PATH, HOME, LANG, PYTHONDONTWRITEBYTECODE: '1' },
    ports: 1,
  })
}
