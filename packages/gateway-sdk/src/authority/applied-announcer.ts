import type { ControlState } from '@writ/authority'
import { appliedMessage } from '@writ/contracts'
import { type Signer, signMessage } from '@writ/keys'
import { type Clock, nowSeconds } from '../clock.ts'
import type { Log } from '../log.ts'
import type { RunningSteps } from '../plans/running-steps.ts'

export interface AppliedAnnouncerOptions {
  readonly gatewayId: string
  readonly audience: string
  readonly signer: Signer
  readonly control: ControlState
  readonly running: RunningSteps
  readonly clock: Clock
  /** Live, at most once. */
  readonly publish: (jws: string) => void
  readonly log: Log
}

const EVERY_MS = 10_000
/** What an `applied` can list. */
const RUNNING_MAX = 1000

/** Tells operators how far this gateway has applied CONTROL, and which revoked steps have not stopped yet. */
export class AppliedAnnouncer {
  readonly #options: AppliedAnnouncerOptions
  #timer: NodeJS.Timeout | undefined

  constructor(options: AppliedAnnouncerOptions) {
    this.#options = options
  }

  start(): void {
    this.#timer = setInterval(() => void this.announce(), EVERY_MS)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** Says nothing while this gateway cannot know. Never throws: the next one comes. */
  async announce(): Promise<void> {
    const { gatewayId, audience, signer, control, running, clock, publish, log } = this.#options
    try {
      if (control.stream === undefined || control.missing !== undefined) return
      const dead = running.dead(control).slice(0, RUNNING_MAX)
      const jws = await signMessage(signer, appliedMessage, {
        iss: gatewayId,
        aud: audience,
        iat: nowSeconds(clock),
        rev: control.rev,
        running: dead.map(({ plan_id, step_id }) => ({ plan_id, step_id })),
      })
      publish(jws)
    } catch (error) {
      log.warn({ err: error }, 'What is applied could not be told.')
    }
  }
}
