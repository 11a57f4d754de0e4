import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

/** A line to a server that writes down every byte, both ways. */
export interface Tap extends AsyncDisposable {
  /** Where to connect instead. */
  readonly url: string
  bytes(): Buffer
}

/** @param endpoint `http://<host>:<port>` */
export async function tapped(endpoint: string): Promise<Tap> {
  const { hostname, port } = new URL(endpoint)
  const heard: Buffer[] = []
  const open = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname)
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      open.add(from)
      from.on('data', (chunk: Buffer) => {
        heard.push(chunk)
        to.write(chunk)
      })
      from.on('error', () => to.destroy())
      from.on('close', () => {
        open.delete(from)
        to.destroy()
      })
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    bytes: () => Buffer.concat(heard),
    [Symbol.asyncDispose]: async () => {
      for (const socket of open) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
