import { isFault, type Reason, type ReasonCode } from '@writ/contracts'
import { traced } from '@writ/service-kit'
import type { IntentRecords } from '../adapters/intent-records.ts'
import type { Statuses } from '../adapters/statuses.ts'
import { type CloseReason, type LiveRecord, stateKey } from '../core/intent-record.ts'
import { type Move, nextMove } from '../core/next-move.ts'
import { closing, ended, executing } from '../core/transitions.ts'
import type { Clock } from '../ports.ts'

export interface AdvanceDeps {
  readonly records: IntentRecords
  readonly statuses: Statuses
  readonly clock: Clock
  readonly decide: (record: LiveRecord) => Promise<void>
  readonly dispatch: (record: LiveRecord, gateways: readonly string[]) => Promise<void>
  /** Sends plans once more to gateways that are silent. */
  readonly repeat: (record: LiveRecord, gateways: readonly string[]) => Promise<void>
  readonly close: (record: LiveRecord, why: CloseReason, gateways: readonly string[]) => Promise<void>
  readonly settle: (record: LiveRecord) => Promise<void>
}

const MOVES_MAX = 16
const NOT_DECIDED: readonly ReasonCode[] = ['unavailable', 'internal']

/**
 * Takes an intent as far as it goes now, from its record alone. Returns the instant (NumericDate) at which there is something to do
 * again. Throws Fault `unavailable` when it has to be tried again: nothing is lost by that.
 */
export function advance(deps: AdvanceDeps): (key: string) => Promise<number> {
  return async (key) => {
    for (let moves = 0; moves < MOVES_MAX; moves++) {
      const record = deps.records.index.get(key)?.record
      if (record === undefined) return Number.POSITIVE_INFINITY
      const move = nextMove(record, deps.clock.nowSeconds())
      if (move.kind === 'wait') {
        await traced('status', spanOf(record), () => deps.statuses.say(record))
        return move.until
      }
      await traced(move.kind, spanOf(record), () => make(deps, key, record, move))
    }
    return deps.clock.nowSeconds() + 1
  }
}

function spanOf({ trace, digest }: LiveRecord) {
  return { parent: trace, attributes: { 'writ.intent_digest': digest } }
}

async function make(deps: AdvanceDeps, key: string, record: LiveRecord, move: Move): Promise<void> {
  switch (move.kind) {
    case 'decide':
      await orEnded(deps, record, () => deps.decide(record))
      break
    case 'dispatch':
      await orWithdrawn(deps, record, move.gateways, () => deps.dispatch(record, move.gateways))
      break
    case 'repeat':
      await orWithdrawn(deps, record, move.gateways, () => deps.repeat(record, move.gateways))
      break
    case 'tell':
      await deps.records.modify(key, executing)
      break
    case 'close':
      await deps.close(record, move.why, move.gateways)
      break
    case 'expire':
      await deps.records.modify(key, (latest) =>
        nextMove(latest, deps.clock.nowSeconds()).kind === 'expire'
          ? ended(latest, 'expired', [lateReason(latest)])
          : latest,
      )
      break
    case 'settle':
      await deps.settle(record)
      break
    case 'wait':
      break
  }
}

/** A decided no while nothing is out ends the intent. What could not be decided is tried again. */
async function orEnded(deps: AdvanceDeps, record: LiveRecord, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!isFault(error) || NOT_DECIDED.includes(error.code)) throw error
    await deps.records.modify(stateKey(record.agent_id, record.intent_id), (latest) =>
      ended(latest, endOf(error.code), [error.reason]),
    )
  }
}

/** Plans may be out: a revoke is passed on to token-issuer, and any other no waits for the plans' end. */
async function orWithdrawn(
  deps: AdvanceDeps,
  record: LiveRecord,
  gateways: readonly string[],
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!isFault(error) || endOf(error.code) !== 'revoked') throw error
    await deps.records.modify(stateKey(record.agent_id, record.intent_id), (latest) =>
      closing(latest, 'revoked', gateways, error.reason),
    )
  }
}

function endOf(code: ReasonCode): CloseReason | 'denied' {
  if (code === 'revoked' || code === 'quarantined') return 'revoked'
  return code === 'expired' || code === 'cancelled' ? code : 'denied'
}

function lateReason({ state }: LiveRecord): Reason {
  if (state === 'needs_approval') return { code: 'approval_expired', message: 'It was not approved in time.' }
  if (state === 'needs_attestation')
    return { code: 'attestation_required', message: 'The agent’s host was not attested in time.' }
  return { code: 'expired', message: 'It was not decided in time.' }
}
