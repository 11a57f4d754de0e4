import type { VerifiedPlan } from '@writ/authority'
import type { Reason } from '@writ/contracts'
import type { Guard } from '../authority/guard.ts'
import { bindRefusal } from '../core/bind.ts'
import type { Log } from '../log.ts'
import type { Observation } from '../observation.ts'

export interface BeginCheckOptions {
  readonly guard: Guard
  /** Absent: this gateway observes nothing, so nothing that is bound to an observation is done. */
  readonly observe: ((deviceId: string) => Promise<Observation>) | undefined
  readonly log: Log
}

const OBSERVE_WITHIN_MS = 5000
/**
 * A plan that has just come was judged by a reading of its own, which does for the step that follows at once: the use is still to be
 * asked for, and nothing begins before everything is applied that token-issuer had applied when it granted it.
 */
const READ_WITHIN_MS = 100

/** What must still hold right before a step. A reason is a decided no; a Fault `unavailable` means that nobody can tell now. */
export class BeginChecks {
  readonly #options: BeginCheckOptions

  constructor(options: BeginCheckOptions) {
    this.#options = options
  }

  /** By what is withdrawn as it was read a moment ago, or is read now. Throws Fault `unavailable` while that cannot be read. */
  async refusal(plan: VerifiedPlan, deviceId: string, nowSeconds: number): Promise<Reason | undefined> {
    await this.#options.guard.refresh(READ_WITHIN_MS)
    if (nowSeconds >= plan.token.claims.exp) return { code: 'token_expired', message: 'The token has expired.' }
    if (nowSeconds >= plan.plan.claims.exp) return { code: 'expired', message: 'The plan has expired.' }
    return this.revoked(plan) ?? (await this.unbound(plan, deviceId))
  }

  /** By what has been applied up to now: takes no time. */
  revoked({ token, touched }: VerifiedPlan): Reason | undefined {
    return this.#options.guard.authority.control.tokenRefusal(token.claims.rev, touched)
  }

  /** Looks at the device, if the token is bound to anything about it. */
  async unbound({ token }: VerifiedPlan, deviceId: string): Promise<Reason | undefined> {
    const { bind } = token.claims
    if (bind === undefined) return undefined
    const observation = await this.#observe(deviceId)
    const message =
      observation === undefined
        ? 'The device cannot be observed, and the token is bound to its state.'
        : bindRefusal(bind, observation)
    return message === undefined ? undefined : { code: 'constraint_failed', message }
  }

  async #observe(deviceId: string): Promise<Observation | undefined> {
    const { observe, log } = this.#options
    if (observe === undefined) return undefined
    let timer: NodeJS.Timeout | undefined
    const tooLong = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('no observation in time')), OBSERVE_WITHIN_MS)
    })
    try {
      return await Promise.race([observe(deviceId), tooLong])
    } catch (error) {
      log.warn({ err: error, deviceId }, 'A device could not be observed.')
      return undefined
    } finally {
      clearTimeout(timer)
    }
  }
}
