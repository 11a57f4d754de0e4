import { randomBytes } from 'node:crypto'
import { subjects } from '@writ/contracts'
import type { Clock } from './clock.ts'
import { unstored } from './core/journal-state.ts'
import type { GatewayOptions } from './gateway.ts'
import type { Log } from './log.ts'
import type { Ground } from './open-ground.ts'
import type { GatewayAudit } from './outcomes/gateway-audit.ts'
import { OutcomeBook } from './outcomes/outcome-book.ts'
import { OutcomeSender } from './outcomes/outcome-sender.ts'
import { BeginChecks } from './plans/begin-checks.ts'
import { closeInterrupted } from './plans/close-open-tries.ts'
import { DeviceLocks } from './plans/device-locks.ts'
import { PlanIntake } from './plans/plan-intake.ts'
import { PlanRunner } from './plans/plan-runner.ts'
import { Redeemer } from './plans/redeemer.ts'
import type { RunningSteps } from './plans/running-steps.ts'
import { StepRunner } from './plans/step-runner.ts'

export interface PlanWorkContext {
  readonly ground: Ground
  readonly audit: GatewayAudit
  readonly running: RunningSteps
  readonly clock: Clock
  readonly stopping: AbortSignal
  readonly touched: (deviceId: string) => void
  readonly log: Log
}

export interface PlanWork {
  readonly sender: OutcomeSender
  readonly intake: PlanIntake
}

/** Puts together what takes plans and carries them out, and says of an earlier run what it left unsaid. */
export async function openPlanWork(options: GatewayOptions, context: PlanWorkContext): Promise<PlanWork> {
  const { ground, audit, running, clock, stopping, touched, log } = context
  const { identity, journal, guard } = ground
  const { signer, enrolment } = identity
  const sender = outcomeSender(ground, log)
  const { audience } = guard.authority
  const book = new OutcomeBook({ gatewayId: enrolment.id, audience, signer, clock, journal, sender, audit })
  const { reports } = options
  const observe = reports === undefined ? undefined : (deviceId: string) => reports.observe(deviceId)
  const steps = new StepRunner({
    actions: options.actions,
    guard,
    checks: new BeginChecks({ guard, observe, log }),
    redeemer: redeemer(ground, clock, log),
    book,
    journal,
    running,
    devices: new DeviceLocks(),
    clock,
    stopping,
    touched,
    log,
  })
  const runner = new PlanRunner({ journal, book, steps })
  const gateway = { id: enrolment.id, kid: signer.kid }
  const intake = new PlanIntake({ gateway, guard, journal, runner, book, sender, audit, clock, stopping, log })
  for (const plan of journal.plans) for (const outcome of unstored(plan)) await book.sayAgain(plan.facts, outcome)
  await closeInterrupted(book, journal.plans)
  return { sender, intake }
}

function outcomeSender({ identity, bus, journal }: Ground, log: Log): OutcomeSender {
  const subject = subjects(identity.enrolment.region).outcome(identity.enrolment.id)
  return new OutcomeSender({
    store: async (jws, trace) => {
      await bus.store(subject, jws, { stream: 'OUTCOMES', trace })
    },
    stored: (outcome) => journal.stored(outcome),
    log,
  })
}

function redeemer({ identity, bus, journal, guard }: Ground, clock: Clock, log: Log): Redeemer {
  const { id, region } = identity.enrolment
  const subject = subjects(region).redeem(id)
  return new Redeemer({
    gatewayId: id,
    authority: guard.authority,
    signer: identity.signer,
    clock,
    newId: () => `r${randomBytes(16).toString('hex')}`,
    keep: ({ facts, step, use }, jws) => journal.redeem(facts.plan_id, step.step_id, use, jws),
    ask: (body, timeoutMs, trace) => bus.request(subject, body, { timeoutMs, trace }),
    refreshSigners: () => guard.refreshSigners(),
    log,
  })
}
