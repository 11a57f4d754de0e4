import { readFile } from 'node:fs/promises'
import type { SubmittedIntent } from '@writ/agent-sdk'
import { directoryReader, parseVkey, verifyLog } from '@writ/audit'
import { digestOf } from '@writ/keys'
import type { Asked, Effect, History } from './history.ts'
import { inject, keepRedis } from './inject.ts'
import { readLeft, readSizes, type Sizes, usageOf } from './measure.ts'
import { AGENT, type Plant } from './plant.ts'
import { readLog } from './read-log.ts'
import { eventually, Recorder } from './recorder.ts'
import { type Fault, GATEWAYS, type PlannedIntent, type Schedule, WARM } from './schedule.ts'

/** Intents that are on their way at a time. */
const AT_ONCE = 8
/** Longer than any plan lives, and than a server that restored a queue behind its consumer needs. */
const END_WITHIN_MS = 420_000
const MOMENT_WITHIN_MS = 180_000
const SETTLE_WITHIN_MS = 120_000

/** Runs a schedule on a plant and returns what was recorded. `log` hears how it goes, a line at a time. */
export async function runSchedule(plant: Plant, plan: Schedule, log: (line: string) => void): Promise<History> {
  await using recorder = await Recorder.open(plant.stack.plane)
  const run = new Run(plant, plan, recorder, log)
  await run.all()
  return await run.history()
}

class Run {
  readonly #plant: Plant
  readonly #plan: Schedule
  readonly #recorder: Recorder
  readonly #log: (line: string) => void
  readonly #asked: Asked[] = []
  readonly #running = new Set<Promise<void>>()
  #fault: Promise<void> = Promise.resolve()
  #sizes: Sizes = new Map()

  constructor(plant: Plant, plan: Schedule, recorder: Recorder, log: (line: string) => void) {
    this.#plant = plant
    this.#plan = plan
    this.#recorder = recorder
    this.#log = log
  }

  async all(): Promise<void> {
    const failed = new AbortController()
    for (const intent of this.#plan.intents) {
      if (intent.n === WARM) {
        await Promise.all(this.#running)
        this.#sizes = await readSizes(this.#plant)
        await keepRedis(this.#plant)
      }
      while (this.#running.size >= AT_ONCE) await Promise.race(this.#running)
      failed.signal.throwIfAborted()
      await this.#arm(intent)
      const ended = this.#perform(intent)
        .catch((error: unknown) =>
          failed.abort(new Error(`${intent.id} (${intent.kind}): ${String(error)}`, { cause: error })),
        )
        .finally(() => this.#running.delete(ended))
      this.#running.add(ended)
    }
    await Promise.all([...this.#running, this.#fault])
    failed.signal.throwIfAborted()
  }

  /** The fault of an intent begins to listen before the intent is sent, and once the fault before it is over. */
  async #arm({ n }: PlannedIntent): Promise<void> {
    const fault = this.#plan.faults.find(({ after }) => after === n)
    if (fault === undefined) return
    await this.#fault
    const moment = this.#recorder.next(fault.moment)
    this.#fault = this.#at(fault, moment)
    this.#fault.catch(() => undefined)
  }

  async #at(fault: Fault, moment: Promise<void>): Promise<void> {
    const what = `${fault.kind} ${fault.process}`
    await within(MOMENT_WITHIN_MS, `${what} waits for a message that is ${fault.moment}`, moment)
    const began = performance.now()
    await inject(this.#plant, fault)
    const lasted = Math.round(performance.now() - began)
    this.#log(`intent ${fault.after}, ${fault.moment}: ${what}, ${lasted} ms`)
  }

  async #perform(planned: PlannedIntent): Promise<void> {
    const { agent, user } = this.#plant
    const { id, kind, action, targets, params } = planned
    const at = Date.now()
    const intent = await agent.submit({
      ...{ action, targets, onBehalfOf: user, purpose: 'Go on whatever fails.', intentId: id, lifetimeSeconds: 600 },
      ...(params !== undefined && { params }),
    })
    this.#asked.push({ id, digest: intent.digest, at })
    if (kind === 'cancelled') await agent.cancel(intent)
    if (kind === 'approved' || kind === 'rejected' || kind === 'cancelled-waiting') {
      await waiting(intent)
      if (kind === 'cancelled-waiting') await agent.cancel(intent)
      else await this.#approve(intent, kind === 'approved' ? 'approve' : 'reject')
    }
    await intent.done(AbortSignal.timeout(END_WITHIN_MS))
  }

  async #approve({ digest }: SubmittedIntent, verdict: 'approve' | 'reject'): Promise<void> {
    const { approver } = this.#plant
    const { decision } = await eventually('the approver is asked', 120_000, () => approver.pending(digest))
    const approval = await approver.sign(digest, digestOf(decision), verdict)
    // The same bytes until they are answered, as the contract says.
    const result = await eventually('the approval is answered', 120_000, async () => {
      const answer = await approver.send(approval)
      return answer.ok || answer.code !== 'unavailable' ? answer : undefined
    })
    if (!result.ok) throw new Error(`the approval is refused: ${result.code}`)
  }

  async history(): Promise<History> {
    const { stack } = this.#plant
    await stack.untilReady()
    // Until nothing waits any more; what still does after that time is what the checker finds.
    const quiet = async () => (await readLeft(this.#plant, this.#recorder.jsm)).every(({ count }) => count === 0)
    await eventually('nothing waits', SETTLE_WITHIN_MS, quiet, 500).catch(() => undefined)
    const left = await readLeft(this.#plant, this.#recorder.jsm)
    const after = await readSizes(this.#plant)
    await this.#recorder.readStatuses(
      AGENT,
      this.#asked.map(({ id }) => id),
    )
    const audit = this.#recorder.audit
    const { operators, anchors } = stack.plane.trust
    const verified = await verifyLog({
      reader: directoryReader(stack.paths.store),
      vkeys: [parseVkey(stack.plane.logVkey)],
      pins: { operators, anchors },
      region: stack.plane.region,
      complete: left.every(({ count }) => count === 0),
    })
    return {
      schedule: this.#plan,
      policies: await this.#recorder.readPolicies(),
      asked: this.#asked,
      statuses: this.#recorder.statuses,
      plans: this.#recorder.plans,
      effects: (await Promise.all(GATEWAYS.map((id) => readEffects(this.#plant.effectsFile(id))))).flat(),
      audit,
      log: await readLog(stack.paths.store, stack.plane.logName),
      verified: {
        ok: verified.ok,
        waiting: verified.waiting,
        findings: verified.findings.map(({ verdict, message }) => `${verdict}: ${message}`),
      },
      left,
      usage: usageOf(this.#sizes, after),
    }
  }
}

/** Resolves when the intent waits for an approval. */
async function waiting(intent: SubmittedIntent): Promise<void> {
  for await (const { state } of intent.statuses(AbortSignal.timeout(END_WITHIN_MS)))
    if (state === 'needs_approval') return
  throw new Error('it never needed an approval')
}

async function readEffects(file: string): Promise<readonly Effect[]> {
  const text = await readFile(file, 'utf8').catch(() => '')
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Effect)
}

function within<T>(ms: number, what: string, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`Not within ${ms} ms: ${what}`)), ms)
    promise.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
