import { auditMessage, outcomeMessage, statusMessage, subjects } from '@writ/contracts'
import { asMessage, openMessage, parseJws } from '@writ/keys'
import type { StepsOf } from './bus-gate.ts'
import { REGION } from './world.ts'

const at = subjects(REGION)
const STATUS_BYTES_MAX = 1 << 20
/** What is left under a key whose text nobody needs any more. */
const FORGOTTEN = '-'

/** The steps of intent-gateway and token-issuer by what each sends to the bus. Audit events go by their own names, requests by their subjects'. */
export const brokerSteps: StepsOf = ({ subject, payload }, passed) => {
  if (subject.startsWith('$KV.intents.')) return bucketSteps(subject.split('.').slice(2), payload, passed)
  if (subject.startsWith('$KV.uses.')) return useSteps(subject.split('.').slice(2))
  if (subject.startsWith('$JS.ACK.') && payload.toString() === '+ACK')
    return subject.includes('.INTENTS.')
      ? [passed.has('cancel kept') ? 'cancel acknowledged' : 'intent acknowledged']
      : [passed.has('end counted') ? 'end acknowledged' : 'start acknowledged']
  if (subject.startsWith('_R_.')) return ['answered']
  const { form, ids = [] } = at.parse(subject) ?? {}
  switch (form) {
    case 'status':
      return [`status ${asMessage(statusMessage, parseJws(payload, STATUS_BYTES_MAX)).claims.state}`]
    case 'stepStatus':
      return [`${openMessage(outcomeMessage, payload).claims.state} shown`]
    case 'plan':
      return ['plan sent', `plan sent to ${ids[0]}`]
    case 'audit':
      return openMessage(auditMessage, payload).claims.events.map(({ type }) => type)
    case 'registry':
      return ids[0] === 'key' ? [] : ['record filed']
    case 'rpc':
      return [ids.join('.')]
    default:
      return subject.startsWith(`${at.prefix}answer.rpc.token.issue.`) ? ['token handed out'] : []
  }
}

function bucketSteps(
  [, , kind, last]: readonly string[],
  payload: Buffer,
  passed: ReadonlySet<string>,
): readonly string[] {
  if (kind === undefined) return stateSteps(JSON.parse(payload.toString()))
  if (kind === 'approval-jti') return ['approval claimed']
  if (kind === 'command-jti') return [passed.has('command claimed') ? 'answer kept' : 'command claimed']
  const kept = payload.toString() === FORGOTTEN ? 'forgotten' : 'kept'
  const what = kind === 'outcome' && last !== undefined ? 'end' : kind
  return [`${what} ${kept}`]
}

interface StateView {
  readonly done?: boolean
  readonly state: string
  readonly steps: readonly { readonly state: string; readonly ended?: boolean }[]
  readonly plans: readonly { readonly out?: boolean }[]
  readonly approvals?: readonly unknown[]
  readonly closing?: object
}

function stateSteps({ done, state, steps, plans, approvals = [], closing }: StateView): readonly string[] {
  if (done === true) return ['intent settled']
  return [
    'state created',
    ...(approvals.length > 0 ? ['approval counted'] : []),
    ...(state === 'denied' ? ['reject counted'] : []),
    ...(plans.length > 0 ? ['plan recorded'] : []),
    ...(plans.some(({ out }) => out) ? ['plan noted as sent'] : []),
    ...(steps.some((step) => step.state === 'started') ? ['start counted'] : []),
    ...(steps.some(({ ended }) => ended) ? ['end counted'] : []),
    ...(closing === undefined ? [] : ['cancel counted']),
    ...(state === 'cancelled' ? ['closing counted'] : []),
  ]
}

function useSteps([, step, n]: readonly string[]): readonly string[] {
  if (step === 'token') return ['token kept']
  return n === undefined ? [] : ['use claimed', `use of ${step} claimed`]
}
