import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'

/** One message of a client on its way to the server; of one with headers, the body. */
export interface Sent {
  readonly subject: string
  readonly payload: Buffer
}

/** What a message means to a test, by name: one name or several, none for what it does not care about. */
export type StepsOf = (sent: Sent, passed: ReadonlySet<string>) => readonly string[]

/**
 * A line between one process and nats-server that a test can close at a message of its choice: the process then stands exactly
 * between two steps of its work, and `kill -9` leaves what a power cut would.
 */
export interface BusGate extends AsyncDisposable {
  readonly url: string
  /** Steps whose messages were let through since the gate was told where to close. */
  readonly passed: ReadonlySet<string>
  /** The first message of this step, and whatever the process sends after it, do not get through. Resolves when it was held. */
  closeBefore(step: string): Promise<void>
  /** The first message of this step is the last that gets through, and no answer comes back. Resolves when it went. */
  closeAfter(step: string): Promise<void>
  /** For the next process, when the one before it was killed: of that one nothing more gets through. */
  open(): void
  /** For the same process: its connections break, and new ones get through. */
  reconnect(): void
}

interface Stop {
  readonly step: string
  readonly when: 'before' | 'after'
  readonly reached: () => void
}

export async function startBusGate(natsUrl: string, stepsOf: StepsOf): Promise<BusGate> {
  const { hostname, port } = new URL(natsUrl)
  const passed = new Set<string>()
  const open = new Set<Socket>()
  let stop: Stop | undefined
  let closed = false
  let process = 0
  /** Whether the message goes through. */
  const admit = (sent: Sent): boolean => {
    const steps = stepsOf(sent, passed)
    const meant = stop !== undefined && steps.includes(stop.step)
    if (meant) closed = true
    if (meant && stop?.when === 'before') {
      stop.reached()
      return false
    }
    for (const step of steps) passed.add(step)
    if (meant) stop?.reached()
    return true
  }
  const server = createServer((client) => {
    const upstream = connect({ host: hostname, port: Number(port) })
    const mine = process
    const isClosed = (): boolean => closed || mine !== process
    for (const socket of [client, upstream]) {
      open.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => open.delete(socket))
    }
    const frames = new Frames((bytes, sent) => {
      if (!isClosed() && (sent === undefined || admit(sent))) upstream.write(bytes)
    })
    client.on('data', (chunk) => frames.take(chunk))
    upstream.on('data', (chunk) => {
      if (!isClosed()) client.write(chunk)
    })
    // What went through before the process was killed arrives.
    client.on('close', () => upstream.end())
    upstream.on('close', () => client.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port')
  const closeAt = (step: string, when: Stop['when']): Promise<void> =>
    new Promise((reached) => {
      passed.clear()
      stop = { step, when, reached }
    })
  return {
    url: `nats://127.0.0.1:${address.port}`,
    passed,
    closeBefore: (step) => closeAt(step, 'before'),
    closeAfter: (step) => closeAt(step, 'after'),
    open: () => {
      process += 1
      stop = undefined
      closed = false
    },
    reconnect: () => {
      stop = undefined
      closed = false
      for (const socket of open) socket.destroy()
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of open) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** Has the identity of an enrolment package reach the server by another way. */
export async function reachBusAt(enrolmentFile: string, natsUrl: string): Promise<void> {
  const enrolment = JSON.parse(await readFile(enrolmentFile, 'utf8')) as object
  await writeFile(enrolmentFile, JSON.stringify({ ...enrolment, nats_url: natsUrl }))
}

const LINE_END = Buffer.from('\r\n')

/** Cuts what a client sends into lines and messages (NATS client protocol: `PUB subject [reply] size`, `HPUB subject [reply] headers size`). */
class Frames {
  readonly #each: (bytes: Buffer, sent: Sent | undefined) => void
  #left: Buffer = Buffer.alloc(0)

  constructor(each: (bytes: Buffer, sent: Sent | undefined) => void) {
    this.#each = each
  }

  take(chunk: Buffer): void {
    this.#left = this.#left.length === 0 ? chunk : Buffer.concat([this.#left, chunk])
    for (let end = this.#next(); end > 0; end = this.#next()) this.#left = this.#left.subarray(end)
  }

  /** Hands over one whole frame and returns its length; 0: it is not all there yet. */
  #next(): number {
    const lineEnd = this.#left.indexOf(LINE_END)
    if (lineEnd < 0) return 0
    const from = lineEnd + LINE_END.length
    const [verb = '', subject = '', ...rest] = this.#left.toString('latin1', 0, lineEnd).split(' ')
    if (verb !== 'PUB' && verb !== 'HPUB') {
      this.#each(this.#left.subarray(0, from), undefined)
      return from
    }
    const end = from + Number(rest.at(-1)) + LINE_END.length
    if (this.#left.length < end) return 0
    const headers = verb === 'HPUB' ? Number(rest.at(-2)) : 0
    const payload = this.#left.subarray(from + headers, end - LINE_END.length)
    this.#each(this.#left.subarray(0, end), { subject, payload })
    return end
  }
}
