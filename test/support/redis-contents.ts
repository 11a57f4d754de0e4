import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'

/** Every key with what it holds, as Redis itself lists them. `localJson`: where the stack says how it is reached. */
export async function redisContents(localJson: string): Promise<Readonly<Record<string, string>>> {
  const { redis_url } = JSON.parse(await readFile(localJson, 'utf8')) as { redis_url: string }
  const { hostname, port, password } = new URL(redis_url)
  const each = `local t = redis.call('TYPE', k).ok; all[k] = t == 'string' and redis.call('GET', k) or cjson.encode(redis.call('ZRANGE', k, 0, -1))`
  const script = `local all = {}; for _, k in ipairs(redis.call('KEYS', '*')) do ${each} end; return cjson.encode(all)`
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  try {
    if (password !== '') socket.write(`AUTH ${password}\r\n`)
    socket.write(`EVAL "${script}" 0\r\n`)
    let reply = ''
    for await (const chunk of socket) {
      reply += String(chunk)
      const [, length, body = ''] = /\$(\d+)\r\n(.*)/s.exec(reply) ?? []
      if (length !== undefined && body.length >= Number(length))
        return JSON.parse(body.slice(0, Number(length))) as Record<string, string>
      if (/^-/m.test(reply)) throw new Error(reply)
    }
    throw new Error('Redis says nothing')
  } finally {
    socket.destroy()
  }
}
