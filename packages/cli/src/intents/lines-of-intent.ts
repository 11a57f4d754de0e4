import type { Outcome, Status } from '@writ/contracts'
import { type Line, type Piece, type Style, styled } from '../terminal/style.ts'
import { clockText } from '../terminal/time-text.ts'
import type { WatchedEvent } from './watch-intents.ts'

type State = Status['state'] | Status['steps'][number]['state'] | Outcome['state']

const STYLES: Partial<Readonly<Record<State, Style>>> = {
  succeeded: 'green',
  failed: 'red',
  denied: 'red',
  refused: 'red',
  aborted: 'red',
  revoked: 'red',
  unknown: 'red',
  partial: 'yellow',
  expired: 'yellow',
  cancelled: 'yellow',
  needs_approval: 'cyan',
  needs_attestation: 'cyan',
}

export function stateOf(state: State): Piece {
  const style = STYLES[state]
  return style === undefined ? state : styled(style, state)
}

/** One line for what became known, at most a sentence long. */
export function lineOfEvent(event: WatchedEvent): Line {
  if (event.type === 'status') return lineOfStatus(event.status, event.agent_id)
  if (event.type === 'step') return lineOfStep(event)
  const { agent_id, intent_id, gateway_id, outcome } = event
  const { iat, step_id, device_id, action, state, reason } = outcome
  const why = reason === undefined ? '' : `  ${reason.code}: ${reason.message}`
  const what = `  ${agent_id} ${intent_id}/${step_id}  ${action} ${device_id} via ${gateway_id}: `
  return [styled('dim', timeOf(iat)), what, stateOf(state), why]
}

function lineOfStep({ agent_id, intent_id, iat, step }: Extract<WatchedEvent, { type: 'step' }>): Line {
  const { step_id, device_id, gateway_id, state, reason } = step
  const whose = agent_id === undefined ? '' : `${agent_id} `
  const why = reason === undefined ? '' : `  ${reason.code}: ${reason.message}`
  return [
    styled('dim', timeOf(iat)),
    `  ${whose}${intent_id}/${step_id}  ${device_id} via ${gateway_id}: `,
    stateOf(state),
    why,
  ]
}

export function lineOfStatus({ iat, intent_id, state, reasons, approval }: Status, agentId?: string): Line {
  const why = reasons.map(({ code, message }) => `  ${code}: ${message}`).join('')
  const waits =
    approval === undefined ? '' : `  ${approval.given} of ${approval.needed} (${approval.roles.join(' or ')})`
  return [
    styled('dim', timeOf(iat)),
    `  ${agentId === undefined ? '' : `${agentId} `}${intent_id}  `,
    stateOf(state),
    `${state === 'needs_approval' ? waits : ''}${why}`,
  ]
}

function timeOf(seconds: number): string {
  return clockText(new Date(seconds * 1000))
}
