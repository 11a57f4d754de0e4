import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { Fault } from '@writ/contracts'
import { writeFileDurably } from '@writ/durable'

export const PORT_NAMES = [
  'nats',
  'nats-monitor',
  'redis',
  'intent-gateway',
  'policy-evaluator',
  'token-issuer',
  'audit-sink',
] as const
export type PortName = (typeof PORT_NAMES)[number]
export type Ports = Readonly<Record<PortName, number>>

/** The ports of this plane: chosen free at the first start, and kept. Throws Fault `unavailable` naming one that is taken. */
export async function portsOf(file: string): Promise<Ports> {
  const kept = await keptPorts(file)
  if (kept !== undefined) {
    for (const name of PORT_NAMES) await assertFree(name, kept[name], file)
    return kept
  }
  const probes = await Promise.all(PORT_NAMES.map(() => listen(0)))
  const ports = Object.fromEntries(PORT_NAMES.map((name, index) => [name, probes[index]?.port])) as Ports
  await Promise.all(probes.map(({ close }) => close()))
  await writeFileDurably(file, `${JSON.stringify(ports, null, 2)}\n`)
  return ports
}

async function keptPorts(file: string): Promise<Ports | undefined> {
  try {
    const ports = JSON.parse(await readFile(file, 'utf8')) as Ports
    return PORT_NAMES.every((name) => Number.isInteger(ports[name])) ? ports : undefined
  } catch {
    return undefined
  }
}

async function assertFree(name: PortName, port: number, file: string): Promise<void> {
  try {
    const { close } = await listen(port)
    await close()
  } catch (cause) {
    throw new Fault('unavailable', {
      message: `Port ${port} (${name}) is taken. Stop what listens there, or remove ${file} to choose new ports.`,
      cause,
    })
  }
}

async function listen(port: number): Promise<{ readonly port: number; close(): Promise<void> }> {
  const server = createServer().listen(port, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port')
  return {
    port: address.port,
    close: async () => {
      server.close()
      await once(server, 'close')
    },
  }
}
