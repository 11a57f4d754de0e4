import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { resolveTool } from '@writ/tools'
import { freePorts } from './nats.ts'

/** A real redis-server on a free loopback port, in a temporary folder that goes with it. */
export interface TestRedis extends AsyncDisposable {
  readonly url: string
  /** `kill -9`, and nothing of its data is left. */
  lose(): Promise<void>
  start(): Promise<void>
  /** It hangs: connections stay, nothing is answered. */
  pause(): void
  resume(): void
  /** One command, as on the command line. */
  run(command: string): Promise<string>
}

const START_WAIT_MS = 10_000

export async function startRedis(): Promise<TestRedis> {
  const { path } = await resolveTool('redis-server', {
    env: process.env,
    log: (line) => process.stderr.write(`${line}\n`),
  })
  const dir = await mkdtemp(join(tmpdir(), 'writ-redis-'))
  const [port = 0] = await freePorts(1)
  let child: ChildProcess | undefined
  const kill = () => child?.kill('SIGKILL')
  process.once('exit', kill)
  const redis: TestRedis = {
    url: `redis://127.0.0.1:${port}`,
    start: async () => {
      const options = ['--bind', '127.0.0.1', '--port', `${port}`, '--dir', dir, '--save', '', '--appendonly', 'no']
      child = spawn(path, options, { stdio: 'ignore' })
      for (const end = performance.now() + START_WAIT_MS; ; await sleep(20)) {
        if ((await ask(port, 'PING').catch(() => '')).startsWith('+PONG')) return
        if (performance.now() > end) throw new Error('redis-server does not answer')
      }
    },
    lose: async () => {
      if (child === undefined) return
      const ended = once(child, 'exit')
      kill()
      await ended
      child = undefined
    },
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
    run: (command) => ask(port, command),
    [Symbol.asyncDispose]: async () => {
      process.off('exit', kill)
      await redis.lose()
      await rm(dir, { recursive: true, force: true })
    },
  }
  await redis.start()
  return redis
}

/** One command at `redis://[:password@]host:port`, as on the command line. Throws what Redis refuses. */
export async function redisCommand(url: string, command: string): Promise<string> {
  const { hostname, port, password } = new URL(url)
  const socket = connect(Number(port), hostname)
  try {
    await once(socket, 'connect')
    let reply = ''
    for (const line of [...(password === '' ? [] : [`AUTH ${password}`]), command]) {
      socket.write(`${line}\r\n`)
      const [data] = (await once(socket, 'data')) as [Buffer]
      reply = data.toString().trimEnd()
      if (reply.startsWith('-')) throw new Error(`${command}: ${reply}`)
    }
    return reply
  } finally {
    socket.destroy()
  }
}

/** The inline protocol: a line in, the reply as Redis writes it. */
async function ask(port: number, command: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    socket.write(`${command}\r\n`)
    const [reply] = (await once(socket, 'data')) as [Buffer]
    return reply.toString()
  } finally {
    socket.destroy()
  }
}
