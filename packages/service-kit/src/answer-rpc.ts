import type { Bus, Received, Serving } from '@writ/bus'
import { Fault, isFault, type Rpc, reasonOf, subjects } from '@writ/contracts'
import type { z } from 'zod'
import type { Logger } from './logger.ts'
import { traced } from './trace-context.ts'

export interface AnswerRpcOptions {
  readonly bus: Bus
  readonly region: string
  readonly log: Logger
  /** Replicas share the requests under this name. */
  readonly queue: string
  /** Requests of this kind in hand at a time; more are answered `unavailable`. */
  readonly inFlightMax: number
}

/**
 * Answers one kind of request of other services. Request and reply are checked against their schemas, the size first. A Fault of
 * the handler is the answer's code; anything else is a bug: it is logged, and answered `internal`.
 */
export function answerRpc<Req extends z.ZodType, Rep extends z.ZodType>(
  { bus, region, log, queue, inFlightMax }: AnswerRpcOptions,
  rpc: Rpc<Req, Rep>,
  handler: (request: z.output<Req>) => Promise<z.input<Rep>>,
): Promise<Serving> {
  const answer = async ({ data, trace }: Received): Promise<string> => {
    try {
      const span = { parent: trace, kind: 'server' as const }
      return encode(rpc, await traced(rpc.subject.slice('rpc.'.length), span, async () => handler(decode(rpc, data))))
    } catch (error) {
      if (!isFault(error) || error.code === 'internal')
        log.error({ err: error, subject: rpc.subject }, 'request failed')
      return no(error)
    }
  }
  const onFault = (_: Received, error: unknown): string => no(error)
  return bus.answer(subjects(region).rpc(nameOf(rpc)), { queue, inFlightMax, onFault }, answer)
}

function nameOf({ subject }: Rpc) {
  return subject.slice('rpc.'.length) as Parameters<ReturnType<typeof subjects>['rpc']>[0]
}

function no(error: unknown): string {
  return JSON.stringify({ ok: false, ...reasonOf(error) })
}

function decode<Req extends z.ZodType>({ request, bytesMax }: Rpc<Req>, data: Uint8Array): z.output<Req> {
  if (data.byteLength > bytesMax) throw new Fault('too_large', { message: `The request is over ${bytesMax} bytes.` })
  try {
    return request.parse(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(data)))
  } catch (cause) {
    throw new Fault('malformed', { message: 'The request does not fit its schema.', cause })
  }
}

function encode<Rep extends z.ZodType>({ reply, subject }: Rpc<z.ZodType, Rep>, value: z.input<Rep>): string {
  const parsed = reply.safeParse(value)
  if (parsed.success) return JSON.stringify(value)
  throw new Fault('internal', { message: `Our own answer to ${subject} does not fit its schema.`, cause: parsed.error })
}
