import type { Reason } from '@writ/contracts'

/** What a value of the bucket and a status may take in JSON, so that each fits its stream's 64 KiB; a status is text inside base64url. */
const RECORD_BYTES_MAX = 64_000
const STATUS_BYTES_MAX = 48_000
/** What the reasons of all steps may take together: the gateways' outcomes have them whole. */
const STEP_REASONS_BYTES = 5000
/** Names, digests, state and code of a step; with what only the record keeps; without its ids. */
const STATUS_STEP_BYTES = 183
const RECORD_STEP_BYTES = 238
const STATUS_PLAN_BYTES = 113
const RECORD_PLAN_BYTES = 221
/** Ids, reasons of the whole and approvals. */
const STATUS_REST_BYTES = 3000
const RECORD_REST_BYTES = 6000

/** What outcomes of an intent may take in its record, so that they need no keys of their own. It has that room: only few steps come near it. */
const OUTCOMES_BYTES = 8000

/** Whether the outcome of a step is kept in the record itself. */
export function isKeptInside(outcome: string, steps: number): boolean {
  return outcome.length * steps <= OUTCOMES_BYTES
}

/** Whether everything that can come to be said of these steps fits. */
export function stateWouldFit(
  steps: readonly { readonly device_id: string; readonly gateway_id: string; readonly group: string }[],
): boolean {
  const gateways = new Set(steps.map(({ gateway_id }) => gateway_id))
  const ids = (each: (step: (typeof steps)[number]) => string): number =>
    steps.reduce((sum, step) => sum + each(step).length, 0)
  const shown = ids(({ device_id, gateway_id }) => device_id + gateway_id) + STEP_REASONS_BYTES
  const ofPlans = [...gateways].join('').length
  const status =
    STATUS_REST_BYTES + shown + ofPlans + STATUS_STEP_BYTES * steps.length + STATUS_PLAN_BYTES * gateways.size
  const record =
    RECORD_REST_BYTES +
    shown +
    ofPlans +
    ids(({ group }) => group) +
    RECORD_STEP_BYTES * steps.length +
    RECORD_PLAN_BYTES * gateways.size
  return status <= STATUS_BYTES_MAX && record <= RECORD_BYTES_MAX
}

/** A step's reason with as many of its words as a step of so many has room for. */
export function shortened({ code, message }: Reason, steps: number): Reason {
  const room = Math.floor(STEP_REASONS_BYTES / steps)
  if (sizeOf(message) <= room) return { code, message }
  let kept = ''
  let size = sizeOf('…')
  for (const character of message) {
    size += sizeOf(character)
    if (size > room) break
    kept += character
  }
  return { code, message: `${kept}…` }
}

/** In JSON, without the quotes. */
function sizeOf(text: string): number {
  return Buffer.byteLength(JSON.stringify(text)) - 2
}
