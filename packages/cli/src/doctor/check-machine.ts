import { statfs } from 'node:fs/promises'
import { isFault } from '@writ/contracts'
import { type Env, findTool, type ToolName } from '@writ/tools'
import { type Finding, fail, ok, warn } from './finding.ts'

const NODE_MIN = [20, 20] as const

/** @param version as `process.versions.node` */
export function checkNode(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1])) return ok('node', `Node ${version}`)
  return fail('node', `Node ${version} is too old.`, `Install Node ${NODE_MIN.join('.')} or later: https://nodejs.org`)
}

export type NeededTool = Extract<ToolName, 'nats-server' | 'redis-server' | 'opa'>

/** What a local plane needs beside Node, and what for. `opa` is for those who change policies. */
export const NEEDED_TOOLS: Readonly<Record<NeededTool, string>> = {
  'nats-server': 'the message bus',
  'redis-server': 'the record of tokens',
  opa: 'policies: checking, testing and building them',
}

/** As the local plane looks for it: its variable, PATH, then the project's cache. Nothing is installed. */
export async function checkTool(name: NeededTool, env: Env): Promise<Finding> {
  const check = `tool ${name}`
  const passed: string[] = []
  try {
    const found = await findTool(name, { env, log: (line) => passed.push(line) })
    if (found !== undefined) return ok(check, `${found.version} at ${found.path}`)
  } catch (error) {
    if (!isFault(error)) throw error
    return fail(check, error.message, 'Correct that variable, or unset it.')
  }
  const mend = name === 'opa' ? '`npm run policy` installs it when it is needed.' : '`npm start` installs it.'
  return warn(check, [`Not installed yet: for ${NEEDED_TOOLS[name]}.`, ...passed].join(' '), mend)
}

const FREE_BYTES_WARN = 2 * 1024 ** 3
const FREE_BYTES_FAIL = 256 * 1024 ** 2

/** A full disk stops the plane: what cannot be recorded is not done. */
export async function checkDisk(folder: string): Promise<Finding> {
  const { bavail, bsize } = await statfs(folder)
  const free = bavail * bsize
  const found = `${(free / 1024 ** 3).toFixed(1)} GiB free at ${folder}`
  if (free >= FREE_BYTES_WARN) return ok('disk', found)
  const grade = free < FREE_BYTES_FAIL ? fail : warn
  return grade('disk', `Only ${found}.`, 'Make room: a plane that cannot write refuses everything.')
}
