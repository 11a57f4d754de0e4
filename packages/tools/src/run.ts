import { execFile } from 'node:child_process'

/** The environment of this process, as its entry point read it. */
export type Env = Readonly<Record<string, string | undefined>>

export interface RunOptions {
  readonly env: Env
  readonly cwd?: string
  readonly timeoutMs: number
}

export interface Ran {
  readonly ok: boolean
  readonly stdout: string
  /** The last of what it said, for a person who asks why it failed. */
  readonly complaint: string
}

const OUTPUT_BYTES_MAX = 16 * 2 ** 20
const COMPLAINT_LENGTH_MAX = 600

/** Runs a program to its end without a shell. Failure is an answer, not an error. */
export function run(command: string, args: readonly string[], { env, cwd, timeoutMs }: RunOptions): Promise<Ran> {
  return new Promise((resolve) => {
    const options = { env, timeout: timeoutMs, maxBuffer: OUTPUT_BYTES_MAX, ...(cwd !== undefined && { cwd }) }
    execFile(command, [...args], options, (error, stdout, stderr) => {
      const complaint = (stderr.trim() || error?.message || '').slice(-COMPLAINT_LENGTH_MAX)
      resolve({ ok: error === null, stdout, complaint })
    })
  })
}
