import { Fault, JSON_VALUE_BYTES_MAX, type JsonObject, type Reason, Text } from '@writ/contracts'
import { canonicalJson, jsonSha256, parseIJson } from '@writ/keys'
import { ActionFailed } from '../action.ts'
import { redact } from './redact.ts'

/** A result as an outcome carries it. */
export interface SignedResult {
  readonly result: JsonObject
  /** Of its RFC 8785 form. */
  readonly result_sha256: string
}

/**
 * What a handler returned, redacted first and then hashed, so that nothing of what is removed can be guessed from the digest. Throws
 * Fault `action_failed` when it is no JSON object that the contract takes.
 */
export function signedResult(returned: unknown, pointers: readonly string[]): SignedResult | undefined {
  if (returned === undefined) return undefined
  const result = redact(asJson(returned), pointers)
  if (Buffer.byteLength(canonicalJson(result)) > JSON_VALUE_BYTES_MAX) {
    throw new Fault('action_failed', {
      message: `The action ran, but its result is over ${JSON_VALUE_BYTES_MAX} bytes.`,
    })
  }
  return { result, result_sha256: jsonSha256(result) }
}

function asJson(returned: unknown): JsonObject {
  try {
    return parseIJson(Buffer.from(JSON.stringify(returned)))
  } catch (cause) {
    throw new Fault('action_failed', { message: 'The action ran, but its result is no JSON object.', cause })
  }
}

/** What the agent is told of a failed action: the handler's own sentence if it meant one for the agent, and nothing else. */
export function failureReason(error: unknown): Reason {
  if (error instanceof Fault && error.code === 'action_failed') return error.reason
  const told = error instanceof ActionFailed ? Text.safeParse(error.message) : undefined
  return {
    code: 'action_failed',
    message: told?.success === true ? told.data : 'The action failed; the log of the gateway says why.',
  }
}
