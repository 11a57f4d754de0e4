import { open } from 'node:fs/promises'
import { dirname, isAbsolute, join } from 'node:path'
import { isExecutable } from './look-up.ts'

/** The interpreter, with its packages, that a program written in Python runs in. Undefined where that cannot be told. */
export async function pythonOf(program: string): Promise<string | undefined> {
  const beside = join(dirname(program), '..', 'venv', 'bin', 'python3')
  if (await isExecutable(beside)) return beside
  const [, named = ''] = /^#!\s*(\S+python[\d.]*)\s*$/m.exec(await firstLine(program)) ?? []
  return isAbsolute(named) && (await isExecutable(named)) ? named : undefined
}

async function firstLine(path: string): Promise<string> {
  const file = await open(path, 'r').catch(() => undefined)
  if (file === undefined) return ''
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(512), 0, 512, 0)
    return buffer.subarray(0, bytesRead).toString('latin1').split('\n')[0] ?? ''
  } finally {
    await file.close()
  }
}
