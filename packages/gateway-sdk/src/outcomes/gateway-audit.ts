import { type AuditSource, auditEvent, type NewEvent } from '@writ/audit'
import type { ControlStep } from '@writ/authority'
import type { OutcomeState, ReasonCode } from '@writ/contracts'
import type { PlanFacts, StepFacts } from '../core/plan-facts.ts'
import type { Log } from '../log.ts'

interface Ref {
  readonly facts: PlanFacts
  readonly step: StepFacts
  readonly use?: number
}

const RECORD_WITHIN_MS = 10_000

/** What a gateway puts into its own audit chain: ids, digests, numbers and codes, never text or results. */
export class GatewayAudit {
  readonly #source: Pick<AuditSource, 'keep' | 'keepHappened' | 'record'>
  readonly #gatewayId: string
  readonly #log: Log

  constructor(source: Pick<AuditSource, 'keep' | 'keepHappened' | 'record'>, gatewayId: string, log: Log) {
    this.#source = source
    this.#gatewayId = gatewayId
    this.#log = log
  }

  /** Throws Fault `unavailable` when the outbox has no room. It is on its way to the disk: nothing may wait between here and the step. */
  action(type: 'action.started', ref: Ref): void {
    this.#source
      .keep([auditEvent(type, this.#about(ref))])
      .catch((error: unknown) => this.#log.error({ err: error, type }, 'An audit event could not be kept.'))
  }

  /** The end of a step or of one try, on the disk. It has happened: no room is logged, and the signed outcome goes its own way. */
  ended(ref: Ref, state: Exclude<OutcomeState, 'started'>, code: ReasonCode | undefined): Promise<void> {
    return this.#kept(auditEvent(`action.${state}`, { ...this.#about(ref), reasons: code === undefined ? [] : [code] }))
  }

  /** Resolves when the refusal of a whole plan is durable in the stream. Throws Fault `unavailable` when it is not in time. */
  async refusedPlan(planDigest: string, code: ReasonCode, facts: PlanFacts | undefined): Promise<void> {
    const event = auditEvent('action.refused', {
      gateway_id: this.#gatewayId,
      reasons: [code],
      ...(facts !== undefined && planFields(facts)),
      detail: { plan_digest: planDigest },
    })
    await this.#source.record([event], RECORD_WITHIN_MS)
  }

  control(step: ControlStep): void {
    const event = step.kind === 'withheld' ? undefined : this.#controlEvent(step)
    if (event !== undefined) void this.#kept(event)
  }

  #controlEvent(step: Exclude<ControlStep, { kind: 'withheld' }>): NewEvent {
    const { seq, digest } = step
    const gateway_id = this.#gatewayId
    if (step.kind === 'void') {
      return auditEvent('control.void', { gateway_id, reasons: [step.reason.code], detail: { seq, digest } })
    }
    const { control } = step
    const scope = control.command === 'revoke' ? { scope: control.scope } : {}
    return auditEvent('control.applied', { gateway_id, detail: { seq, digest, command: control.command, ...scope } })
  }

  #about({ facts, step, use }: Ref) {
    const detail = { step_id: step.step_id, ...(use !== undefined && { use }) }
    return { gateway_id: this.#gatewayId, device_id: step.device_id, ...planFields(facts), detail }
  }

  async #kept(event: NewEvent): Promise<void> {
    try {
      await this.#source.keepHappened([event])
    } catch (error) {
      this.#log.error({ err: error, type: event.type }, 'An audit event found no room.')
    }
  }
}

function planFields({ intent_digest, intent_id, agent_id, token_id, plan_id, action }: PlanFacts) {
  return {
    intent_digest,
    ...(intent_id !== undefined && { intent_id }),
    agent_id,
    token_id,
    plan_id,
    intent: action,
  }
}
