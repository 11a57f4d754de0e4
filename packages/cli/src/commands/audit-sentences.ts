import type { IntentStory, ReadDocument, ReadEntry, ReadEvent } from '@writ/audit'
import {
  type Approval,
  approvalMessage,
  type Command,
  type Control,
  commandMessage,
  controlMessage,
  type Decision,
  decisionMessage,
  type EventType,
  type Intent,
  intentMessage,
  type JsonObject,
  type Message,
  type Outcome,
  outcomeMessage,
} from '@writ/contracts'

/** What an event says, for people: one word for what happened, and the rest. Nothing in it is escaped. */
export interface Sentence {
  readonly verb: string
  readonly text: string
}

type Tell = (event: ReadEvent['event'], documents: readonly ReadDocument[]) => Sentence

const TELL: Readonly<Record<EventType, Tell>> = {
  'source.started': ({ detail }) => ({ verb: 'started', text: previousOf(detail) }),
  'source.heartbeat': () => ({ verb: 'alive', text: '' }),
  'source.stopped': () => ({ verb: 'stopped', text: '' }),
  'intent.accepted': (event, documents) => ({ verb: 'asked', text: askedText(event, documents) }),
  'intent.refused': (event, documents) => ({
    verb: textOf(event.detail?.['state'], 'refused'),
    text: join([codesOf(event), askedText(event, documents)], ': '),
  }),
  'policy.decided': decided,
  'approval.requested': ({ detail }) => ({ verb: 'asks', text: `${listOf(detail?.['approvers'])} to approve` }),
  'approval.given': approved,
  'attestation.appraised': ({ agent_id, gateway_id, attestation }) => ({
    verb: 'attested',
    text: join([agent_id ?? gateway_id, attestation === undefined ? undefined : JSON.stringify(attestation)]),
  }),
  'token.issued': ({ token_id, gateway_id, detail }) => ({
    verb: 'token',
    text: `${token_id} for gateway ${gateway_id} alone${untilText(detail?.['exp'])}`,
  }),
  'plan.dispatched': ({ plan_id, gateway_id, approved_by = [] }) => ({
    verb: 'sent',
    text: `plan ${plan_id} to gateway ${gateway_id}, approved by ${approved_by.join(', ')}`,
  }),
  'token.redeemed': ({ gateway_id, token_id, detail }) => ({
    verb: 'redeemed',
    text: `${textOf(detail?.['step_id'], 'a step')}, use ${String(detail?.['use'])}, by gateway ${gateway_id} with token ${token_id}`,
  }),
  'action.started': acted('began'),
  'action.succeeded': acted('succeeded'),
  'action.failed': acted('failed'),
  'action.refused': acted('refused'),
  'action.aborted': acted('aborted'),
  'action.unknown': acted('unknown'),
  'control.applied': controlled,
  'control.void': (event) => ({ verb: 'void', text: `control message ${numberOf(event)} (${codesOf(event)})` }),
  'record.filed': filed,
  'log.opened': ({ detail }) => ({ verb: 'opened', text: `the log ${textOf(detail?.['origin'], '')}` }),
  'messages.refused': (event) => ({
    verb: 'refused',
    text: `${String(event.detail?.['count'])} messages that named ${textOf(event.detail?.['id'], 'somebody')}: ${codesOf(event)}`,
  }),
}

export function sentenceOf({ event, documents }: ReadEvent): Sentence {
  return TELL[event.type](event, documents)
}

/** `gateway gw-1`, or a service’s role; which of its instances where there are several is in the entry. */
export function whoOf({ message }: ReadEntry): string {
  const [role = '', instance = ''] = (message?.source ?? '').split('/')
  return role === 'gateway' ? `gateway ${instance}` : role
}

/** The claims of a document of a type, where it is open. */
export function openOf<C>(documents: readonly ReadDocument[], { typ }: Pick<Message, 'typ'>): C | undefined {
  const found = documents.find((document) => document.typ === typ && document.claims !== undefined)
  return found?.claims as C | undefined
}

function askedText({ agent_id, user, intent }: ReadEvent['event'], documents: readonly ReadDocument[]): string {
  const opened = openOf<Intent>(documents, intentMessage)
  const sealed = documents.some(({ typ, state }) => typ === intentMessage.typ && state === 'sealed')
  if (opened === undefined)
    return `agent ${agent_id}${user === undefined ? '' : ` for ${user}`}${intent === undefined ? '' : `: ${intent}`}${sealed ? ' (sealed)' : ''}`
  const { iss, on_behalf_of, action, targets, params, purpose } = opened
  const given = params === undefined ? '' : ` with ${JSON.stringify(params)}`
  return `agent ${iss} for ${on_behalf_of}: ${action} ${targets.join(', ')}${given} — “${purpose}”`
}

function decided({ policy, reasons, detail }: ReadEvent['event'], documents: readonly ReadDocument[]): Sentence {
  const decision = openOf<Decision>(documents, decisionMessage)
  const { version, bundle_sha256 } = policy ?? {}
  const under = `under policy version ${String(version)}, bundle ${textOf(bundle_sha256, '?')}`
  const outcome = decision?.outcome ?? textOf(detail?.['outcome'], 'decided')
  const why = decision?.reasons.map(({ code, message }) => `${code}: ${message}`) ?? reasons ?? []
  const needs = decision === undefined ? [] : demandsOf(decision)
  return { verb: 'decided', text: join([`${outcome.replace('_', ' ')} ${under}`, ...needs, ...why], '; ') }
}

/** What an outcome of `needs_…` asks for. */
export function demandsOf({ outcome, obligations }: Pick<Decision, 'outcome' | 'obligations'>): readonly string[] {
  const { approvals, attestation } = obligations
  if (outcome === 'needs_approval' && approvals !== undefined)
    return [`${approvals.count} of ${approvals.roles.join(' or ')} must approve`]
  if (outcome === 'needs_attestation' && attestation !== undefined)
    return [`a host attested by ${attestation.profile} in the last ${attestation.max_age_s} s is needed`]
  return []
}

/** What an approver decided about: the decision that was shown, with what it demanded; the messages are those that it names. */
export function sawText(
  approval: Approval | undefined,
  { decisions, digest }: Pick<IntentStory, 'decisions' | 'digest'>,
): string {
  if (approval === undefined) return 'what was shown is sealed to this reader'
  const shown = decisions.find((one) => one.digest === approval.decision_digest)
  if (shown === undefined) return `was shown decision ${approval.decision_digest}, which is not among those here`
  const { outcome, policy, decision } = shown
  const seen = [`intent ${digest}`, `${decision.records.length} records`, ...demandsOf(shown)]
  return `was shown decision ${approval.decision_digest} (${outcome.replace('_', ' ')} under policy version ${policy.version}): ${seen.join(', ')}`
}

function approved({ approved_by = [], detail }: ReadEvent['event'], documents: readonly ReadDocument[]): Sentence {
  const approval = openOf<Approval>(documents, approvalMessage)
  const verb = detail?.['verdict'] === 'reject' ? 'rejected' : 'approved'
  const who = approval === undefined ? approved_by.join(', ') : `${approval.iss} (${approved_by.join(', ')})`
  return { verb, text: `by ${who}${approval?.comment === undefined ? '' : ` — “${approval.comment}”`}` }
}

function acted(verb: string): Tell {
  return (event, documents) => {
    const { device_id, gateway_id, detail } = event
    const outcome = openOf<Outcome>(documents, outcomeMessage)
    const step = textOf(detail?.['step_id'], '')
    const what =
      device_id === undefined
        ? `plan by gateway ${gateway_id}`
        : `${join([step, device_id], ' ')} via gateway ${gateway_id}`
    const sealed = documents.some(({ typ, state }) => typ === outcomeMessage.typ && state === 'sealed')
    return {
      verb,
      text: join([join([what, resultText(outcome) ?? codesOf(event)], ': '), sealed ? '(sealed)' : ''], ' '),
    }
  }
}

/** What a gateway's signed outcome says beside its state. */
export function resultText(outcome: Outcome | undefined): string | undefined {
  if (outcome?.reason !== undefined) return `${outcome.reason.code}: ${outcome.reason.message}`
  return outcome?.result === undefined ? undefined : `returned ${JSON.stringify(outcome.result)}`
}

function controlled(event: ReadEvent['event'], documents: readonly ReadDocument[]): Sentence {
  const { detail, gateway_id } = event
  const control = openOf<Control>(documents, controlMessage)
  const verb = textOf(detail?.['command'], 'control')
  const named = control === undefined ? textOf(detail?.['scope'], '') : namedBy(control)
  const by = gateway_id === undefined ? '' : `applied by gateway ${gateway_id}`
  const signed = control === undefined ? '' : `signed by ${control.iss}: “${control.reason}”`
  return { verb, text: join([join([named, `(control message ${numberOf(event)})`], ' '), by, signed], ', ') }
}

function namedBy(control: Control): string {
  if (control.command === 'revoke') return join([control.scope, control.id], ' ')
  return control.command === 'lift' ? `message ${control.lifts}` : `stream ${control.stream}`
}

function filed({ detail }: ReadEvent['event'], documents: readonly ReadDocument[]): Sentence {
  const { kind, id, version } = detail ?? {}
  const command = openOf<Command>(documents, commandMessage)
  const name = `${textOf(kind, '')} ${textOf(id, '')} version ${String(version)}`
  if (command === undefined) return { verb: 'record', text: name }
  const does = command.record === null ? 'removed' : 'filed'
  return { verb: 'record', text: `${name} ${does} by ${command.iss} — “${command.reason}”` }
}

function previousOf(detail: JsonObject | undefined): string {
  const { source, seq } = Object(detail?.['previous']) as Record<string, unknown>
  return typeof source === 'string' ? `after ${source}, which ended with message ${String(seq)}` : ''
}

function untilText(exp: unknown): string {
  return typeof exp === 'number' ? `, until ${new Date(exp * 1000).toISOString().slice(0, 19)}Z` : ''
}

const codesOf = ({ reasons = [] }: Pick<ReadEvent['event'], 'reasons'>): string => reasons.join(', ')
const numberOf = ({ detail }: ReadEvent['event']): string => String(detail?.['seq'])
const listOf = (value: unknown): string => (Array.isArray(value) ? value.map(String).join(', ') : '')
const textOf = (value: unknown, otherwise: string): string => (typeof value === 'string' ? value : otherwise)
const join = (parts: readonly (string | undefined)[], by = ', '): string =>
  parts.filter((part) => part !== undefined && part !== '').join(by)
