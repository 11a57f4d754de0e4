import type { JsonObject } from '@writ/contracts'

/** What a handler is told about the step that it carries out. The whole chain behind it has been verified. */
export interface ActionContext {
  /** Name of the action, a key of `GatewayOptions.actions`. */
  readonly action: string
  /** Of one of this gateway's devices. */
  readonly deviceId: string
  /** The intent's own parameters, as the agent signed them; empty where it gave none. Policy has bounded them, check them all the same. */
  readonly params: JsonObject
  /** Who signed the intent. */
  readonly agentId: string
  /** The user on whose behalf it is done. */
  readonly onBehalfOf: string
  /** The agent's words, for people. */
  readonly purpose: string
  /** The intent's `jti`, unique for this agent. */
  readonly intentId: string
  /** Digest of the intent: base64url SHA-256 of its JWS signing input, the name under which the evidence knows it. */
  readonly intentDigest: string
  /** Unique for an intent and this gateway. */
  readonly planId: string
  /** `s` and the index of the device among the intent's targets, such as `s0`. */
  readonly stepId: string
  /**
   * Milliseconds on the clock of `performance.now()`: an effect that has not begun by then must not begin any more. The handler is called
   * before it; one that prepares something first compares once more.
   */
  readonly deadlineToBegin: number
  /**
   * Aborts when an operator revokes what the step rests on, when it runs longer than policy allows, and when the gateway must
   * stop. Pass it on, and throw when it fires: a handler that returns a result has done its work.
   */
  readonly signal: AbortSignal
  /** W3C trace context (`traceparent`) of this step, for the operator's own telemetry. */
  readonly traceparent: string
}

/**
 * Carries out one action on one device and returns its result: a JSON object of at most 8 KiB in RFC 8785 form, or nothing. It is called
 * at most once for a step, and for one step of a device at a time. A result is redacted as policy says before it is hashed and signed.
 *
 * What it throws makes the step `failed`, `action_failed` (or `aborted`, if its signal had fired); so does a result that is too large or no
 * JSON object.
 */
export type ActionHandler = (context: ActionContext) => Promise<JsonObject | undefined> | JsonObject | undefined

/**
 * Throw it to say in one sentence why an action failed: the agent reads it, and the records keep it. It must hold no value of
 * `params` and no name of a person. Of anything else that is thrown the agent learns only that the action failed.
 */
export class ActionFailed extends Error {
  override readonly name = 'ActionFailed'
}
