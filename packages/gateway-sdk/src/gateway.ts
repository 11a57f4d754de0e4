import type { ActionHandler } from './action.ts'
import type { Clock } from './clock.ts'
import type { Log } from './log.ts'
import type { Observer } from './observation.ts'

export interface GatewayOptions {
  /** Path of `enrolment.json`; the credentials that it names lie beside it. */
  readonly enrolment: string
  /** Path of the gateway's private key as JWK, mode 0600. */
  readonly key: string
  /** A directory of this gateway's own, on a disk that keeps what it has flushed. It is made if it is not there, and locked. */
  readonly stateDir: string
  /** What this gateway can do, by the name of the action. A plan with any other action is refused. */
  readonly actions: Readonly<Record<string, ActionHandler>>
  /** How its devices are observed. Absent: nothing is reported, and what policy binds to a device's state or network is refused. */
  readonly reports?: Observer
  /** Absent: nothing is logged. */
  readonly log?: Log
  readonly clock?: Clock
  /** Plans that are worked on at a time; 16 unless told otherwise. Steps of one device always wait for one another. */
  readonly plansInFlightMax?: number
  /** How long `asyncDispose` lets running actions go on before their signals abort; 30,000 ms unless told otherwise. */
  readonly stopWithinMs?: number
  /** Gives up the wait for the first connection. */
  readonly signal?: AbortSignal
}

export interface GatewayStatus {
  readonly connected: boolean
  /** Why nothing may begin at the moment, for the operator; absent: it may. */
  readonly standingStill?: string
  /** The last control message applied. */
  readonly control?: { readonly stream: string; readonly seq: number }
  /** Actions that run now. */
  readonly running: number
  /** Outcomes that the control plane is not known to have. */
  readonly outcomesWaiting: number
}

/** A gateway at work. Disposing it stops it: actions in hand are finished, plans that were not begun come again. */
export interface Gateway extends AsyncDisposable {
  readonly id: string
  /** Resolves the first time that the gateway knows enough to begin a step; rejects when it is stopped before. */
  readonly ready: Promise<void>
  status(): GatewayStatus
  /** Says that a device has changed, so that it is looked at and reported now and not at the next poll. */
  deviceChanged(deviceId: string): void
}
