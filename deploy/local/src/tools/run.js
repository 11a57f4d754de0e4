import { execFile } from 'node:child_process'

const OUTPUT_BYTES_MAX = 16 * 2 ** 20
const COMPLAINT_LENGTH_MAX = 600
/** Runs a program to its end without a shell. Failure is an answer, not an error. */
export function run(command, args, { env, cwd, timeoutMs }) {
  return new Promise((resolve) => {
    const options = { env, timeout: timeoutMs, maxBuffer: OUTPUT_BYTES_MAX, ...(cwd !== undefined && { cwd }) }
    execFile(command, [...args], options, (error, stdout, stderr) => {
      const complaint = (stderr.trim() || error?.message || '').slice(-COMPLAINT_LENGTH_MAX)
      resolve({ ok: error === null, stdout, complaint })
    })
  })
}
//# sourceMappingURL=run.js.map
