import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePorts } from './nats.ts'

export interface ServerProgram {
  readonly command: string
  /** With the ports on which it is to listen, the first of which answers HTTP. */
  readonly args: (ports: readonly number[]) => readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly ports: number
}

/** A server on free loopback ports, in a process of its own. The data is its caller's. */
export interface ServerProcess {
  /** `http://127.0.0.1:<port>`; it stays the same over `kill` and `start`. */
  readonly endpoint: string
  /** `kill -STOP`: connections stay, nothing is answered until `resume`. */
  pause(): void
  resume(): void
  /** `kill -9`. */
  kill(): Promise<void>
  /** Again on the same ports. */
  start(): Promise<void>
}

const START_WAIT_MS = 60_000
const STARTS_MAX = 5

export async function startServer(program: ServerProgram): Promise<ServerProcess> {
  for (let n = 1; ; n++) {
    const ports = await freePorts(program.ports)
    const server = new Running(program, ports)
    try {
      await server.start()
      return server
    } catch (error) {
      // Between choosing a free port and listening on it another process may take it.
      await server.kill()
      if (n === STARTS_MAX) throw error
    }
  }
}

class Running implements ServerProcess {
  readonly endpoint: string
  readonly #program: ServerProgram
  readonly #ports: readonly number[]
  readonly #atExit = (): void => void this.#child?.kill('SIGKILL')
  #child: ChildProcess | undefined
  #said = ''

  constructor(program: ServerProgram, ports: readonly number[]) {
    this.#program = program
    this.#ports = ports
    this.endpoint = `http://127.0.0.1:${ports[0]}`
  }

  async start(): Promise<void> {
    const { command, args, env } = this.#program
    const child = spawn(command, args(this.#ports), { env, stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child = child
    process.once('exit', this.#atExit)
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (data: Buffer) => {
        this.#said = (this.#said + data.toString()).slice(-4000)
      })
    for (const end = performance.now() + START_WAIT_MS; ; await sleep(50)) {
      if (child.exitCode !== null) throw new Error(`${command} ended: ${this.#said}`)
      const answers = await fetch(this.endpoint, { signal: AbortSignal.timeout(2000) }).then(
        () => true,
        () => false,
      )
      if (answers) return
      if (performance.now() > end) throw new Error(`${command} does not answer: ${this.#said}`)
    }
  }

  pause(): void {
    this.#child?.kill('SIGSTOP')
  }

  resume(): void {
    this.#child?.kill('SIGCONT')
  }

  async kill(): Promise<void> {
    process.off('exit', this.#atExit)
    const child = this.#child
    this.#child = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }
}
