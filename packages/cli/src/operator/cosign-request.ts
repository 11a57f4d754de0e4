import { readFile, rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { cosignMessage, Fault } from '@writ/contracts'
import { errnoOf, writeFileDurably } from '@writ/durable'
import { openMessage } from '@writ/keys'
import { withAdvice } from '../advice.ts'
import { clockText } from '../terminal/time-text.ts'
import type { Cosigner } from './cosigners.ts'

const LOOK_MS = 300
/** Left for sending what was signed at the last moment. */
const SENDING_SECONDS = 5

/** Where the signature under a request is looked for. */
export const answerTo = (file: string): string => `${file}.signed`

/**
 * Has another machine sign: puts each command into `file`, as it is signed, and waits for `<file>.signed`, which `writ cosign` makes there. A
 * signature under another command, of an earlier try for example, is not taken. Throws Fault `approval_required` when none came while the command
 * is valid, 300 s.
 */
export function cosignerElsewhere(path: string, told: (what: string) => void): Cosigner {
  const file = resolve(path)
  return async ({ compact, digest, exp }) => {
    await rm(answerTo(file), { force: true })
    await writeFileDurably(file, `${compact}\n`)
    const until = (exp - SENDING_SECONDS) * 1000
    told(`until ${clockText(new Date(until))}: take ${file} to another operator, who runs: writ cosign FILE --sign`)
    told(`  and put what that makes here: ${answerTo(file)}`)
    try {
      for (;;) {
        const line = await signedLine(answerTo(file), digest)
        if (line !== undefined) return line
        if (Date.now() >= until) throw tooLate(file)
        await delay(LOOK_MS)
      }
    } finally {
      for (const done of [file, answerTo(file)]) await rm(done, { force: true })
    }
  }
}

/** Whose it is and whether it holds is for the broker to say, and for every reader. */
async function signedLine(file: string, digest: string): Promise<string | undefined> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return ''
    throw error
  })
  try {
    const line = text.trim()
    return openMessage(cosignMessage, Buffer.from(line)).claims.command_digest === digest ? line : undefined
  } catch (error) {
    // Half of a file that is being copied, or anything else that is no signature: there may still come one.
    if (error instanceof Fault) return undefined
    throw error
  }
}

function tooLate(file: string): Fault {
  const fault = new Fault('approval_required', {
    message: `No other operator signed ${file} in time: nothing was filed.`,
  })
  return withAdvice(fault, 'Run it again: a command may wait for five minutes.')
}
