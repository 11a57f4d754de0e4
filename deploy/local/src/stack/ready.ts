import { once } from 'node:events'
import { connect } from 'node:net'

/** A GET that answers 200. Rejects otherwise. */
export async function answersOk(url: string, signal: AbortSignal): Promise<void> {
  const response = await fetch(url, { signal })
  const body = await response.text()
  if (!response.ok) throw new Error(`${url} answers ${response.status}: ${body.slice(0, 500)}`)
}

/** Redis answers a PING, or asks for its password. Rejects otherwise. */
export async function redisAnswers(port: number, signal: AbortSignal): Promise<void> {
  const socket = connect({ host: '127.0.0.1', port, signal })
  try {
    await once(socket, 'connect', { signal })
    socket.write('PING\r\n')
    const [data] = (await once(socket, 'data', { signal })) as [Buffer]
    if (!/^(\+PONG|-NOAUTH)/.test(data.toString())) throw new Error('Redis is not ready.')
  } finally {
    socket.destroy()
  }
}
