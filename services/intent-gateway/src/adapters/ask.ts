import type { Bus } from '@writ/bus'
import { Fault, type Rpc, type RpcName, subjects } from '@writ/contracts'
import { currentTrace, traced } from '@writ/service-kit'
import type { z } from 'zod'
import type { Ask } from '../ports.ts'

/** Asks another service over the bus, with the trace of the work in hand. */
export function askOver(bus: Pick<Bus, 'ask'>, region: string): Ask {
  const at = subjects(region)
  return async <Req extends z.ZodType, Rep extends z.ZodType>(
    { subject, reply, bytesMax, timeoutMs }: Rpc<Req, Rep>,
    request: z.input<Req>,
  ): Promise<z.output<Rep>> => {
    const body = JSON.stringify(request)
    if (Buffer.byteLength(body) > bytesMax)
      throw new Fault('too_large', { message: 'What belongs to the intent is too large to be decided about.' })
    const name = subject.slice('rpc.'.length) as RpcName
    const data = await traced(name, { kind: 'client' }, () =>
      bus.ask(at.rpc(name), body, { timeoutMs, trace: currentTrace() }),
    )
    try {
      return reply.parse(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(data)))
    } catch (cause) {
      throw new Fault('unavailable', { message: 'Another service gave an answer that cannot be read.', cause })
    }
  }
}
