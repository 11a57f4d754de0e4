import { openWrappingKey, parseVkey, SubjectKeys, subjectOf } from '@writ/audit'
import { coalesce } from '@writ/bus'
import { ANY, subjects } from '@writ/contracts'
import { signMessage } from '@writ/keys'
import { bootService, type ServiceContext, Teardown } from '@writ/service-kit'
import { askOver } from './adapters/ask.ts'
import { bucketKeys } from './adapters/bucket-keys.ts'
import { Claims } from './adapters/claims.ts'
import { ControlRecorder } from './adapters/control-recorder.ts'
import { DecisionFiles } from './adapters/decision-files.ts'
import { Evidence } from './adapters/evidence.ts'
import { followIntents } from './adapters/follow-intents.ts'
import { GatewayRecorder } from './adapters/gateway-recorder.ts'
import { holdsOf } from './adapters/holds.ts'
import { IntentRecords } from './adapters/intent-records.ts'
import { OutcomeCopies } from './adapters/outcome-copies.ts'
import { Papers } from './adapters/papers.ts'
import { regionsOf } from './adapters/regions.ts'
import { Room } from './adapters/room.ts'
import { Statuses } from './adapters/statuses.ts'
import { type ErasableKeys, SubjectEraser } from './adapters/subject-eraser.ts'
import type { Config } from './config.ts'
import { isAboutAnother, unsettledOf } from './core/about-subject.ts'
import { IntentIndex } from './core/intent-index.ts'
import { nextMove } from './core/next-move.ts'
import { advance } from './handlers/advance.ts'
import { announceApproval } from './handlers/announce-approval.ts'
import { answer, overloaded } from './handlers/answer.ts'
import { answerQuery } from './handlers/answer-query.ts'
import { close } from './handlers/close.ts'
import { decide } from './handlers/decide.ts'
import { deliver } from './handlers/deliver.ts'
import { dispatchAgain, repeat, sendOut } from './handlers/dispatch.ts'
import { fileRecord } from './handlers/file-record.ts'
import { settle } from './handlers/settle.ts'
import { takeApproval } from './handlers/take-approval.ts'
import { attestationOf, takeAttestation } from './handlers/take-attestation.ts'
import { takeCancel } from './handlers/take-cancel.ts'
import { takeIntent } from './handlers/take-intent.ts'
import { takeOutcome } from './handlers/take-outcome.ts'
import { withdraw } from './handlers/withdraw.ts'
import { Worklist } from './handlers/worklist.ts'
import { createMeter } from './metrics.ts'
import type { AuthorityView, Clock, Sign } from './ports.ts'

export interface Overrides {
  /** Stops the start while it waits for what is not there yet. */
  readonly signal?: AbortSignal
  readonly clock?: Clock
  /** Instead of what the store says. */
  readonly heldEpochs?: () => Promise<readonly string[]>
}

export interface RunningIntentGateway extends AsyncDisposable {
  readonly healthUrl: string
}

/** Composition root: the one place that knows every concrete adapter. */
export async function startIntentGateway(config: Config, overrides: Overrides = {}): Promise<RunningIntentGateway> {
  await using teardown = new Teardown()
  const signal = overrides.signal ?? new AbortController().signal
  const context = await bootService('intent-gateway', config, teardown, signal)
  const parts = await makeParts(context, config, overrides, teardown)
  const work = makeWork(context, parts)
  teardown.use(work.worklist)
  await listen(context, config, parts, work, teardown)
  teardown.use(context.health.open())
  const running = teardown.release()
  return { healthUrl: context.healthUrl, [Symbol.asyncDispose]: () => running[Symbol.asyncDispose]() }
}

/** What handlers are made of. Each is given the ones that it uses. */
interface Parts {
  readonly region: string
  readonly view: AuthorityView
  readonly clock: Clock
  readonly sign: Sign
  readonly records: IntentRecords
  readonly regionOf: (deviceId: string) => string | undefined
  readonly files: DecisionFiles
  readonly claims: Claims
  readonly statuses: Statuses
  readonly outcomes: OutcomeCopies
  readonly evidence: Evidence
  readonly eraser: SubjectEraser
  readonly ask: ReturnType<typeof askOver>
  readonly meter: ReturnType<typeof createMeter>
  readonly room: Room
}

async function makeParts(
  context: ServiceContext,
  config: Config,
  overrides: Overrides,
  teardown: Teardown,
): Promise<Parts> {
  const { bus, region, signer, follower, authority, audit, log, metrics, enrolment } = context
  const clock = overrides.clock ?? { nowSeconds: () => Math.floor(Date.now() / 1000) }
  const sign: Sign = (message, claims) => signMessage(signer, message, claims)
  const index = new IntentIndex()
  const meter = createMeter(metrics, () => index.entries())
  const bucket = bus.bucket('intents')
  const store = bucketKeys(bus.bucket('subject-keys'))
  const wrapping = await context.openKey('the wrapping key', config.wrapKey, (kms) =>
    openWrappingKey(config.wrapKey, { kms, store }),
  )
  const keys = await SubjectKeys.open(wrapping, store, region, (subject) => authority.trust.version('subject', subject))
  const evidence = new Evidence(new Papers(audit, keys, clock), authority)
  const room = teardown.use(new Room(bus, (err) => log.warn({ err }, 'the bucket of intents cannot be measured')))
  await room.look()
  const records = new IntentRecords(bucket, index)
  const outcomes = new OutcomeCopies(bucket, records, bus, region)
  const eraser = await openEraser(context, config, overrides, { keys, store, evidence, outcomes, index, clock })
  return {
    region,
    clock,
    sign,
    meter,
    room,
    view: {
      authority,
      twoPerson: enrolment.trust.two_person,
      catchUp: coalesce(async () => {
        await Promise.all([follower.registry(), follower.control()])
      }),
      waitForKey: (check) => follower.waitForKey(check),
      assertCurrent: () => {
        follower.rev()
      },
    },
    records,
    regionOf: await regionsOf(config),
    files: new DecisionFiles(bucket),
    claims: new Claims(bucket),
    outcomes,
    statuses: new Statuses(bus, sign, clock, meter, region),
    evidence,
    eraser,
    ask: askOver(bus, region),
  }
}

async function openEraser(
  { authority, enrolment, follower, refusedFiles, stateDir }: ServiceContext,
  config: Config,
  { heldEpochs = holdsOf(config.store, authority, enrolment.trust.log_vkeys.map(parseVkey)) }: Overrides,
  {
    keys,
    store,
    evidence,
    outcomes,
    index,
    clock,
  }: Pick<Parts, 'evidence' | 'outcomes' | 'clock'> & {
    readonly keys: SubjectKeys
    readonly store: ErasableKeys
    readonly index: IntentIndex
  },
): Promise<SubjectEraser> {
  const isPerson = (subject: string) => (user: string) => subjectOf(keys.pseudonym(user)) === subject
  return SubjectEraser.open({
    keys,
    store,
    trust: authority.trust,
    readRegistry: () => follower.registry(),
    record: ({ value }) => evidence.filed(value),
    heldEpochs,
    unsettled: (subject) => unsettledOf(index.entries(), isPerson(subject)),
    forgetBeside: async (subject) => {
      await outcomes.forgetNow(isPerson(subject))
      await refusedFiles.forget((body) => isAboutAnother(body, isPerson(subject)))
    },
    stateDir,
    nowMs: () => clock.nowSeconds() * 1000,
  })
}

interface Work {
  readonly worklist: Worklist
  readonly kick: (key: string) => void
  readonly kickNow: (key: string) => void
  readonly withdraw: () => Promise<void>
  readonly attested: (agentId?: string) => Promise<void>
  /** Beside the work: what fails is reported. */
  readonly beside: (what: string) => (work: Promise<void>) => void
}

function makeWork({ bus, log, operations }: ServiceContext, parts: Parts): Work {
  const beside = (what: string) => (work: Promise<void>) => {
    work.catch((err: unknown) => log.warn({ err }, what))
  }
  const reportLate = (err: unknown): void => log.warn({ err }, 'a text is kept longer than it is needed')
  const deps = { ...parts, bus, log, beside: beside('a record or a status has to wait'), made: new Map(), reportLate }
  const going = advance({
    ...deps,
    decide: decide({
      ...deps,
      attestationOf: attestationOf(parts.view, bus),
      sendOut: sendOut(deps),
      announceApproval: announceApproval(deps),
    }),
    dispatch: dispatchAgain(deps),
    repeat: repeat(deps),
    close: close(deps),
    settle: settle(deps),
  })
  const worklist: Worklist = new Worklist({
    advance: operations.time('advance', going),
    onFailure: (key, err) => log.warn({ err, key }, 'an intent has to wait'),
    nowMs: () => Date.now(),
  })
  const kick = (key: string): void => worklist.kick(key)
  const kickNow = (key: string): void => worklist.kick(key, true)
  return {
    worklist,
    kick,
    kickNow,
    beside,
    withdraw: withdraw({ ...parts, kickNow }),
    attested: takeAttestation({ ...parts, kick }),
  }
}

/** Reads what is there, then takes what comes; what was under way when the process ended goes on. */
async function listen(
  context: ServiceContext,
  config: Config,
  parts: Parts,
  work: Work,
  teardown: Teardown,
): Promise<void> {
  const { bus, region, log, health } = context
  const { index } = parts.records
  const { worklist, kick } = work
  const noteChange = (key: string): void => {
    const entry = index.get(key)
    if (entry === undefined) {
      worklist.forget(key)
      return
    }
    const now = parts.clock.nowSeconds()
    const move = nextMove(entry.record, now)
    // What only this process knows is left to no other.
    worklist.note(key, move.kind === 'wait' ? move.until : move.kind === 'tell' ? now : undefined)
  }
  const tail = await followIntents(bus, region, index, noteChange, (err) =>
    log.error({ err }, 'a record is unreadable'),
  )
  await tail.catchUp()
  for (const { key } of index.entries()) kick(key)
  worklist.start()
  await hear(context, parts, work, teardown)
  await keepGatewaysRecorded(context, parts, work, teardown)
  await keepErasing(context, parts, work, teardown)
  const catchUp = async (): Promise<void> => {
    await tail.catchUp()
  }
  for (const running of [
    ...(await serve(context, config, parts, kick, catchUp)),
    ...consume(context, config, parts, work, catchUp),
  ])
    teardown.defer(() => running.stop())
  health.check('intents', () => (parts.room.free ? undefined : 'The bucket of intents is nearly full.'))
}

/** What is withdrawn, and what attestation-verifier stores. */
async function hear(
  { bus, region, follower, enrolment, stateDir }: ServiceContext,
  { evidence }: Parts,
  { withdraw: withdrawAll, attested, beside }: Work,
  teardown: Teardown,
): Promise<void> {
  const at = subjects(region)
  const { trust } = enrolment
  const control = await ControlRecorder.open({
    bus,
    region,
    trust,
    stateDir,
    record: (step) => evidence.control(step),
  })
  const heard = (): void => {
    beside('control messages are not in the log yet')(control.catchUp())
    beside('intents could not be withdrawn')(withdrawAll())
  }
  teardown.defer(follower.onControl(heard))
  teardown.defer(bus.onReconnect(heard))
  heard()
  const attestations = await bus.subscribe(at.stored(at.under('attestation')), ({ subject }) => {
    const [kind, id] = at.idsOf('attestation', subject) ?? []
    if (kind === 'agent' && id !== undefined) beside('an attestation could not be taken')(attested(id))
  })
  teardown.defer(() => attestations.unsubscribe())
  teardown.defer(bus.onReconnect(() => beside('attestations could not be taken')(attested())))
}

const RECORD_GATEWAYS_MS = 30_000
const LOOK_FOR_ERASURES_MS = 5000

/** What gateways sign is judged by their records: these are in the log soon, also those that another replica filed and did not live to record. */
async function keepGatewaysRecorded(
  { bus, follower, authority, stateDir }: ServiceContext,
  { evidence }: Parts,
  { beside }: Work,
  teardown: Teardown,
): Promise<void> {
  const recorder = await GatewayRecorder.open({
    trust: authority.trust,
    readSigners: () => follower.signers(),
    stateDir,
    record: (gateway) => evidence.records([gateway]),
  })
  const look = (): void => beside('records of gateways are not in the log yet')(recorder.catchUp())
  const timer = setInterval(look, RECORD_GATEWAYS_MS)
  teardown.defer(() => clearInterval(timer))
  teardown.defer(bus.onReconnect(look))
  look()
}

/** An erasure is carried out by every instance, so that none goes on with a key that it has in memory, and completed by whichever comes next. */
async function keepErasing(
  { bus, region }: ServiceContext,
  { eraser }: Parts,
  { beside }: Work,
  teardown: Teardown,
): Promise<void> {
  const at = subjects(region)
  const look = (): void => beside('an erasure has to wait')(eraser.catchUp())
  const heard = await bus.subscribe(at.stored(at.registry('subject', ANY)), look)
  const timer = setInterval(look, LOOK_FOR_ERASURES_MS)
  teardown.defer(() => clearInterval(timer))
  teardown.defer(() => heard.unsubscribe())
  teardown.defer(bus.onReconnect(look))
  look()
}

/** What others ask. */
async function serve(
  { bus, region, log, refused, operations }: ServiceContext,
  { inFlightMax }: Config,
  parts: Parts,
  kick: (key: string) => void,
  catchUp: () => Promise<void>,
): Promise<readonly Stoppable[]> {
  const at = subjects(region)
  const deps = { ...parts, log, bus, kick, catchUp, refusals: refused }
  const options = { queue: 'intent-gateway', inFlightMax, onFault: overloaded(deps) }
  const filing = operations.time('command', fileRecord(deps))
  const approving = operations.time('approval', takeApproval(deps))
  const asking = operations.time('query', answerQuery(deps))
  return Promise.all([
    bus.serve(
      at.command(ANY),
      options,
      answer(deps, 'command', ([id = ''], body) => filing(id, body)),
    ),
    bus.serve(
      at.approval(ANY),
      options,
      answer(deps, 'approval', ([id = ''], body) => approving(id, body)),
    ),
    bus.serve(
      at.query(ANY, ANY),
      options,
      answer(deps, 'query', ([kind = '', id = ''], body) => asking(kind, id, body)),
    ),
  ])
}

/** What agents and gateways publish. */
function consume(
  { bus, region, log, refused, refusedFiles, operations }: ServiceContext,
  { inFlightMax }: Config,
  parts: Parts,
  { kick, kickNow }: Work,
  catchUp: () => Promise<void>,
): readonly Stoppable[] {
  const keep = (digest: string, body: Uint8Array): Promise<void> => refusedFiles.keep(digest, body)
  const reportLate = (err: unknown): void => log.warn({ err }, 'evidence is not in the log yet')
  const deps = { ...parts, region, log, kick, kickNow, reportLate, catchUp, keep, refusals: refused }
  const intents = takeIntent({ ...deps, takeCancel: takeCancel(deps), hasRoom: () => parts.room.free })
  const common = { consumer: 'intent-gateway', inFlightMax }
  return [
    bus.consume(
      { ...common, stream: 'OUTCOMES' },
      deliver(deps, 'outcome', operations.time('outcome', takeOutcome(deps))),
    ),
    bus.consume({ ...common, stream: 'INTENTS' }, deliver(deps, 'intent', operations.time('intent', intents))),
  ]
}

interface Stoppable {
  stop(): Promise<void>
}
