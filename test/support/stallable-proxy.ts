import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

/** A line between a client and a server that a test can cut. */
export interface StallableProxy extends AsyncDisposable {
  readonly port: number
  /** Neither end notices: bytes wait on the line, on new connections too. */
  stall(): void
  /** Connections break, and new ones are ended at once. */
  cut(): void
  /** The line is cut right after the client has sent bytes that hold this text. Resolves then. */
  stallAfter(text: string): Promise<void>
  resume(): void
}

export async function startProxy(target: { readonly host: string; readonly port: number }): Promise<StallableProxy> {
  const pairs = new Set<readonly [Socket, Socket]>()
  let stalled = false
  let isCut = false
  const stall = (): void => {
    stalled = true
    for (const pair of pairs) for (const socket of pair) socket.pause()
  }
  let watch: { readonly text: string; readonly cut: () => void } | undefined
  const server = createServer((client) => {
    if (isCut) {
      client.destroy()
      return
    }
    const upstream = connect(target)
    const pair = [client, upstream] as const
    pairs.add(pair)
    client.on('data', (chunk) => {
      upstream.write(chunk)
      if (watch === undefined || !chunk.includes(watch.text)) return
      stall()
      watch.cut()
      watch = undefined
    })
    upstream.on('data', (chunk) => void client.write(chunk))
    for (const [socket, other] of [pair, pair.toReversed() as [Socket, Socket]] as const) {
      socket.on('error', () => other.destroy())
      socket.on('close', () => {
        other.destroy()
        pairs.delete(pair)
      })
      if (stalled) socket.pause()
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port')
  return {
    port: address.port,
    stallAfter: (text) =>
      new Promise((cut) => {
        watch = { text, cut }
      }),
    stall,
    cut: () => {
      isCut = true
      for (const pair of pairs) for (const socket of pair) socket.destroy()
    },
    resume: () => {
      stalled = false
      isCut = false
      for (const pair of pairs) for (const socket of pair) socket.resume()
    },
    [Symbol.asyncDispose]: async () => {
      for (const pair of pairs) for (const socket of pair) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
