import type { Handler } from '@writ/bus'
import { Fault, isFault, type ReasonCode, reasonOf, resultMessage, subjects } from '@writ/contracts'
import { requestDigest } from '@writ/keys'
import { noteSpan, traced } from '@writ/service-kit'
import type { Clock, Log, Meter, Refusals, Sign } from '../ports.ts'

export interface AnswerDeps {
  readonly region: string
  readonly sign: Sign
  readonly clock: Clock
  readonly refusals: Refusals
  readonly meter: Meter
  readonly log: Log
}

/** Codes of messages that nobody known has signed. */
const UNSIGNED: readonly ReasonCode[] = [
  'malformed',
  'too_large',
  'unsupported_type',
  'wrong_subject',
  'unknown_agent',
  'unknown_key',
  'not_an_approver',
  'bad_signature',
]

/**
 * Every request is answered: with what `handle` returns, signed, or with a `writ-result+jwt` that names the request and the reason.
 * `ids`: of the request's subject. A failure that is no Fault is logged and answered `internal`.
 */
export function answer(
  deps: AnswerDeps,
  form: 'approval' | 'command' | 'query',
  handle: (ids: readonly string[], body: Uint8Array) => Promise<string>,
): Handler {
  const at = subjects(deps.region)
  return ({ subject, data, trace }) =>
    traced(form, { parent: trace, kind: 'server' }, async () => {
      const ids = at.idsOf(form, subject) ?? []
      try {
        return await handle(ids, data)
      } catch (error) {
        if (!isFault(error) || error.code === 'internal') deps.log.error({ err: error, form }, 'a request failed')
        const { code, message } = reasonOf(error)
        if (UNSIGNED.includes(code)) deps.refusals.count(ids.at(-1) ?? '', code)
        deps.meter.refused(code)
        noteSpan({ 'writ.code': code })
        return result(deps, requestDigest(data), { ok: false, code, message })
      }
    })
}

/** `writ-result+jwt`. */
export function result(
  { region, sign, clock }: Pick<AnswerDeps, 'region' | 'sign' | 'clock'>,
  request: string,
  outcome:
    | { readonly ok: true; readonly version?: number }
    | { readonly ok: false; readonly code: ReasonCode; readonly message: string },
): Promise<string> {
  const envelope = { iss: 'intent-gateway', aud: `writ:${region}`, iat: clock.nowSeconds() }
  return sign(resultMessage, { ...envelope, request, ...outcome })
}

/** What is answered when more requests are in hand than may be. */
export function overloaded(deps: AnswerDeps): (request: { readonly data: Uint8Array }) => Promise<string> {
  const { code, message } = new Fault('unavailable', { message: 'Too many requests are in hand.' })
  return ({ data }) => result(deps, requestDigest(data), { ok: false, code, message })
}
