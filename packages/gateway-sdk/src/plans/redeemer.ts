import { type Authority, openAnswer } from '@writ/authority'
import { inSpan, type Trace, Unheard } from '@writ/bus'
import {
  BEGIN_WITHIN_MS,
  Fault,
  isFault,
  type Reason,
  type Redeemed,
  type Result,
  type Rev,
  redeemedMessage,
  redeemMessage,
  resultMessage,
} from '@writ/contracts'
import { digestOf, openOneOf, type Signer, signMessage } from '@writ/keys'
import { type Clock, nowSeconds } from '../clock.ts'
import { deferred } from '../core/deferred.ts'
import type { Log } from '../log.ts'
import { type StepRef, useId } from '../outcomes/outcome-book.ts'

/** What came of asking for one use of a token. */
export type Redemption =
  /** It is claimed, by this very message. `sentAtMs` is on the monotonic clock, before it was first sent. */
  | { readonly kind: 'redeemed'; readonly sentAtMs: number; readonly revHead: Rev }
  | { readonly kind: 'refused'; readonly reason: Reason }
  /** No answer in time, or none that decides. The use may be claimed or not. */
  | { readonly kind: 'silent' }
  /** Nobody listened, each time: the use is not claimed. */
  | { readonly kind: 'unheard' }

export interface RedeemerOptions {
  readonly gatewayId: string
  readonly authority: Authority
  readonly signer: Signer
  readonly clock: Clock
  readonly newId: () => string
  /** Writes down what is about to be sent. Throws Fault `unavailable`: then it is not sent. */
  readonly keep: (ref: StepRef & { readonly use: number }, jws: string) => Promise<void>
  readonly ask: (body: string, timeoutMs: number, trace: Trace | undefined) => Promise<Uint8Array>
  readonly refreshSigners: () => Promise<void>
  readonly log: Log
}

const LIFETIME_SECONDS = 60
const REPEAT_MS = 500
const SENDS_MAX = 4
/** Answers that say "not now": the same bytes may yet be answered otherwise. */
const UNDECIDED: ReadonlySet<string> = new Set(['unavailable', 'internal', 'rate_limited'])

/** Asks token-issuer for a use: written down, then sent, and repeated with the same bytes. */
export class Redeemer {
  readonly #options: RedeemerOptions

  constructor(options: RedeemerOptions) {
    this.#options = options
  }

  /** Throws Fault `unavailable` when the redeem could not be written down; then it was not sent. */
  async redeem(ref: StepRef & { readonly use: number }, tokenDigest: string): Promise<Redemption> {
    const { clock, gatewayId, authority, signer, newId, keep } = this.#options
    const iat = nowSeconds(clock)
    const jws = await signMessage(signer, redeemMessage, {
      iss: gatewayId,
      aud: authority.audience,
      iat,
      exp: iat + LIFETIME_SECONDS,
      jti: newId(),
      token_id: ref.facts.token_id,
      token_digest: tokenDigest,
      use_id: useId(ref.facts, ref.step, ref.use),
    })
    await keep(ref, jws)
    const attributes = { 'writ.plan_id': ref.facts.plan_id, 'writ.step_id': ref.step.step_id }
    return inSpan('redeem', { parent: ref.trace, kind: 'client', attributes }, async (span) => {
      const redemption = await this.#send({ ...ref, trace: span.trace }, jws)
      span.set({ 'writ.state': redemption.kind })
      if (redemption.kind === 'refused') span.set({ 'writ.code': redemption.reason.code })
      return redemption
    })
  }

  async #send(ref: StepRef & { readonly use: number }, jws: string): Promise<Redemption> {
    const sentAtMs = this.#options.clock.monotonicMs()
    const first = deferred<Redemption>()
    const leftMs = () => Math.max(1, sentAtMs + BEGIN_WITHIN_MS - this.#options.clock.monotonicMs())
    let sent = 0
    let unheard = 0
    const send = async (): Promise<void> => {
      sent += 1
      try {
        const body = await this.#options.ask(jws, leftMs(), ref.trace)
        const answer = await this.#open(ref, jws, body)
        if (answer?.ok === true) first.resolve({ kind: 'redeemed', sentAtMs, revHead: answer.revHead })
        else if (answer !== undefined) first.resolve({ kind: 'refused', reason: answer.reason })
      } catch (error) {
        if (error instanceof Unheard) unheard += 1
        else
          this.#options.log.warn({ err: error, use: useId(ref.facts, ref.step, ref.use) }, 'A redeem was not answered.')
      }
    }
    void send()
    const repeat = setInterval(() => sent < SENDS_MAX && void send(), REPEAT_MS)
    const end = setTimeout(() => first.resolve({ kind: unheard === sent ? 'unheard' : 'silent' }), BEGIN_WITHIN_MS)
    return first.promise.finally(() => {
      clearInterval(repeat)
      clearTimeout(end)
    })
  }

  /** The answer if it decides; undefined: it is not token-issuer's word on this redeem, or it leaves it open. */
  async #open(
    ref: StepRef & { readonly use: number },
    jws: string,
    body: Uint8Array,
  ): Promise<{ ok: true; revHead: Rev } | { ok: false; reason: Reason } | undefined> {
    const message = openOneOf([redeemedMessage, resultMessage], body).message
    const claims: Redeemed | Result = await this.#verified(message, body)
    if (claims.request !== digestOf(jws))
      throw new Fault('chain_broken', { message: 'The answer is to another redeem.' })
    if ('use' in claims) {
      if (claims.use !== ref.use || claims.of !== ref.facts.max_uses) {
        throw new Fault('chain_broken', { message: 'The answer is about another use.' })
      }
      return { ok: true, revHead: claims.rev_head }
    }
    const { ok, code, message: words } = claims
    if (ok || code === undefined || UNDECIDED.has(code)) return undefined
    return { ok: false, reason: { code, message: words ?? 'token-issuer refuses it.' } }
  }

  /** A signer that is not known yet may have come since SIGNERS was read. */
  async #verified(
    message: typeof redeemedMessage | typeof resultMessage,
    body: Uint8Array,
  ): Promise<Redeemed | Result> {
    const open = () =>
      openAnswer(this.#options.authority, 'token-issuer', message, body, nowSeconds(this.#options.clock)) as
        | Redeemed
        | Result
    try {
      return open()
    } catch (error) {
      if (!isFault(error) || error.code !== 'unknown_key') throw error
      await this.#options.refreshSigners()
      return open()
    }
  }
}
