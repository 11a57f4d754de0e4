import type { ActionHandler } from './action.ts'
import type { Clock } from './clock.ts'
import type { Log } from './log.ts'
import type { Observer } from './observation.ts'

/** What `startGateway` is told. Paths may be relative to the working directory. */
export interface GatewayOptions {
  /** Folder of the enrolment package, or its `enrolment.json`; the credentials that it names lie beside it. */
  readonly enrolment: string
  /** Path of the gateway's private key as JWK (RFC 7517), mode 0600; `key.jwk` in the package's folder when absent. */
  readonly key?: string
  /**
   * A directory of this gateway's own, on a disk that keeps what it has flushed. It is made if it is not there, and locked. It holds the
   * journal of plans, the position in CONTROL and the audit messages that are not sealed yet: with another one this is a gateway that
   * remembers nothing of what it has begun.
   */
  readonly stateDir: string
  /** What this gateway can do, by the name of the action. A step with any other action is `refused`, `unavailable`. */
  readonly actions: Readonly<Record<string, ActionHandler>>
  /** How its devices are observed. Absent: nothing is reported, and what policy binds to a device's state or network is refused. */
  readonly reports?: Observer
  /** Absent: nothing is logged. */
  readonly log?: Log
  /** The machine's own clocks when absent; tests give others. */
  readonly clock?: Clock
  /** Plans that are worked on at a time; 16 unless told otherwise. Steps of one device always wait for one another. */
  readonly plansInFlightMax?: number
  /** How long `close` lets running actions go on before their signals abort; 30,000 ms unless told otherwise. */
  readonly stopWithinMs?: number
  /** Gives up the wait for the first connection. Later aborts change nothing. */
  readonly signal?: AbortSignal
}

/** What a gateway can say of itself at one moment, for health checks. */
export interface GatewayStatus {
  /** Whether the connection to NATS is up. */
  readonly connected: boolean
  /** Why nothing may begin at the moment, for the operator; absent: it may. */
  readonly standingStill?: string
  /** The last control message applied: identity of CONTROL and sequence in it. Absent: none yet. */
  readonly control?: { readonly stream: string; readonly seq: number }
  /** Actions that run now. */
  readonly running: number
  /** Outcomes that the control plane is not known to have. */
  readonly outcomesWaiting: number
}

/** A gateway at work. */
export interface Gateway extends AsyncDisposable {
  /** The gateway_id of its enrolment package. */
  readonly id: string
  /** Resolves the first time that the gateway knows enough to begin a step; rejects when it is stopped before. */
  readonly ready: Promise<void>
  /** Never throws, asks nobody. */
  status(): GatewayStatus
  /** Says that a device has changed, so that it is looked at and reported now and not at the next poll. */
  deviceChanged(deviceId: string): void
  /**
   * Stops it: actions in hand are finished (`stopWithinMs`), plans that were not begun come again. `await using` does the same. Rejects
   * with the first failure to close something; everything else is closed all the same.
   */
  close(): Promise<void>
}
