import { Fault, type Reason } from '@writ/contracts'
import type { ActionContext, ActionHandler } from '../action.ts'
import { failureReason, type SignedResult, signedResult } from '../core/action-result.ts'

export type ActionEnd =
  | { readonly state: 'succeeded'; readonly result?: SignedResult }
  | { readonly state: 'failed' | 'aborted'; readonly reason: Reason; readonly error?: unknown }

export interface RunningAction {
  /** How it ended: at the latest a short while after it has run for too long. */
  readonly ended: Promise<ActionEnd>
  /** When the handler itself has returned: the device is free. */
  readonly settled: Promise<void>
  readonly stop: (reason: Reason) => void
}

export interface ActionLimits {
  readonly maxRunMs: number
  /** What a handler that was told to stop has left before the gateway speaks for it. */
  readonly graceMs: number
  /** RFC 6901 pointers into the result. */
  readonly redact: readonly string[]
}

const TIMED_OUT: Reason = { code: 'timed_out', message: 'The action ran longer than it may.' }

/**
 * Calls a handler now, before this function returns. A handler that was told to stop and returns a result all the same has done its work: `succeeded`,
 * unless it was out of time.
 */
export function runAction(
  handler: ActionHandler,
  context: Omit<ActionContext, 'signal'>,
  limits: ActionLimits,
): RunningAction {
  const controller = new AbortController()
  let told: Reason | undefined
  const stop = (reason: Reason): void => {
    told ??= reason
    controller.abort(new Fault(reason.code, { message: reason.message }))
  }
  const work = call(handler, { ...context, signal: controller.signal })
  const end = work.then(
    (returned): ActionEnd =>
      told === TIMED_OUT ? { state: 'failed', reason: TIMED_OUT } : succeeded(returned, limits),
    (error: unknown): ActionEnd => {
      if (told === undefined) return { state: 'failed', reason: failureReason(error), error }
      return { state: told === TIMED_OUT ? 'failed' : 'aborted', reason: told, error }
    },
  )
  let late: NodeJS.Timeout | undefined
  const overrun = new Promise<ActionEnd>((resolve) => {
    late = setTimeout(() => {
      told = TIMED_OUT
      stop(TIMED_OUT)
      late = setTimeout(() => resolve({ state: 'failed', reason: TIMED_OUT }), limits.graceMs)
    }, limits.maxRunMs)
  })
  const settled = work.then(
    () => clearTimeout(late),
    () => clearTimeout(late),
  )
  return { ended: Promise.race([end, overrun]), settled, stop }
}

async function call(handler: ActionHandler, context: ActionContext): Promise<unknown> {
  return await handler(context)
}

function succeeded(returned: unknown, { redact }: ActionLimits): ActionEnd {
  try {
    const result = signedResult(returned, redact)
    return { state: 'succeeded', ...(result !== undefined && { result }) }
  } catch (error) {
    return { state: 'failed', reason: failureReason(error), error }
  }
}
