import { connect } from 'node:net'
import { type Finding, fail, ok } from './finding.ts'

export interface Port {
  readonly name: string
  readonly host: string
  readonly port: number
}

/** Host and port of an address; what else it holds, a password for example, is not kept. */
export function portOf(name: string, url: string, portDefault: number): Port | undefined {
  try {
    const { hostname, port } = new URL(url)
    return { name, host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? portDefault : Number(port) }
  } catch {
    return undefined
  }
}

const WITHIN_MS = 2000

/** Whether somebody listens there. */
export async function checkPort({ name, host, port }: Port): Promise<Finding> {
  const check = `port ${name}`
  const problem = await tryPort(host, port)
  if (problem === undefined) return ok(check, `${host}:${port} answers`)
  return fail(check, `${host}:${port}: ${problem}.`, mendOf(problem, host))
}

function mendOf(problem: string, host: string): string {
  if (problem === 'nobody listens')
    return 'Start it (`npm start` for a local plane), or correct the address in the enrolment package.'
  if (problem === 'no answer in time') return `A firewall is in the way, or ${host} is another machine by now.`
  return 'Look at the network, and at the address in the enrolment package.'
}

function tryPort(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: WITHIN_MS })
    const done = (problem?: string): void => {
      socket.destroy()
      resolve(problem)
    }
    socket.once('connect', () => done())
    socket.once('timeout', () => done('no answer in time'))
    socket.once('error', (error: NodeJS.ErrnoException) => done(problemOf(error)))
  })
}

function problemOf({ code, message }: NodeJS.ErrnoException): string {
  if (code === 'ECONNREFUSED') return 'nobody listens'
  if (code === 'ENOTFOUND') return 'no such host'
  return message === '' ? (code ?? 'no way there') : message
}
