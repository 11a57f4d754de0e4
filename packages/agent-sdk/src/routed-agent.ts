import { Fault, type JurisdictionDirectory, regionOfDevice, regionToAsk, type Status } from '@writ/contracts'
import { readEnrolment } from '@writ/keys'
import { type Agent, connectAgent, type IntentRequest, type SubmittedIntent } from './agent.ts'
import { isFinal } from './follow-intent.ts'
import type { SessionOptions } from './session.ts'

export interface RoutedAgentOptions extends Omit<SessionOptions, 'enrolment' | 'keyFile'> {
  /** Folders of the enrolment packages, one a region; the first is asked where nothing says which. */
  readonly enrolments: readonly string[]
  /** Which region a device belongs to, by patterns of ids. With it nothing about a device is said to the wrong control plane. */
  readonly directory?: JurisdictionDirectory
}

/** An intent at the control plane that decides about it. */
export interface RoutedIntent extends SubmittedIntent {
  /** Its region. */
  readonly region: string
}

/** One agent that is enrolled with several control planes, each of one jurisdiction. */
export interface RoutedAgent extends AsyncDisposable {
  /** By region. */
  readonly agents: ReadonlyMap<string, Agent>
  /**
   * Submits to the control plane that decides about the targets: the one that the directory names or that an earlier refusal named, else the first; where
   * that answers `wrong_jurisdiction` and names another one that this agent is enrolled with, there. Throws Fault `wrong_jurisdiction` where the targets
   * belong to several or to one that it is not enrolled with: ask for each by itself; and as `Agent.submit` does.
   */
  submit(request: IntentRequest, signal?: AbortSignal): Promise<RoutedIntent>
  close(): Promise<void>
}

/** What refusals have taught is bounded: then it is learnt anew. */
const LEARNT_MAX = 10_000

/** Connects with every enrolment package. Throws Fault `malformed` for none or two of one region, and as `connectAgent` does; then no connection is left. */
export function connectAgents({ enrolments, directory, ...options }: RoutedAgentOptions): Promise<RoutedAgent> {
  return openAgents(enrolments, directory, (enrolment) => connectAgent({ ...options, enrolment }))
}

/** The same with a way of one's own to connect. */
export async function openAgents(
  enrolments: readonly string[],
  directory: JurisdictionDirectory | undefined,
  open: (enrolment: string) => Promise<Agent>,
): Promise<RoutedAgent> {
  const regions = await Promise.all(enrolments.map(async (folder) => (await readEnrolment(folder)).region))
  if (regions.length === 0) throw new Fault('malformed', { message: 'No enrolment package is named.' })
  if (new Set(regions).size !== regions.length)
    throw new Fault('malformed', { message: 'Two enrolment packages are of one region.' })
  const connecting = await Promise.allSettled(enrolments.map((enrolment) => open(enrolment)))
  const agents = new Map<string, Agent>()
  for (const [at, result] of connecting.entries())
    if (result.status === 'fulfilled') agents.set(regions[at] as string, result.value)
  const close = async (): Promise<void> => {
    await Promise.all([...agents.values()].map((agent) => agent.close()))
  }
  const failed = connecting.find((result) => result.status === 'rejected')
  if (failed !== undefined) {
    await close()
    throw failed.reason
  }
  const router = new Router(agents, directory)
  return { agents, submit: (request, signal) => router.submit(request, signal), close, [Symbol.asyncDispose]: close }
}

class Router {
  readonly #agents: ReadonlyMap<string, Agent>
  readonly #directory: JurisdictionDirectory | undefined
  readonly #learnt = new Map<string, string>()

  constructor(agents: ReadonlyMap<string, Agent>, directory: JurisdictionDirectory | undefined) {
    this.#agents = agents
    this.#directory = directory
  }

  async submit(request: IntentRequest, signal?: AbortSignal): Promise<RoutedIntent> {
    const known = this.#regionOf(request.targets)
    if (known !== undefined) return await this.#submitTo(known, request)
    const [first = ''] = this.#agents.keys()
    const intent = await this.#submitTo(first, request)
    if (this.#agents.size === 1) return intent
    const region = await refusedFor(intent, signal)
    if (region === undefined || region === first || !this.#agents.has(region)) return intent
    this.#learn(request.targets, region)
    return await this.#submitTo(region, request)
  }

  async #submitTo(region: string, request: IntentRequest): Promise<RoutedIntent> {
    const agent = this.#agents.get(region)
    if (agent === undefined)
      throw new Fault('wrong_jurisdiction', {
        message: `The targets belong to ${region}; no enrolment with its control plane is at hand.`,
      })
    return { ...(await agent.submit(request)), region }
  }

  /** Undefined where nothing says it of any target. */
  #regionOf(targets: readonly string[]): string | undefined {
    const directory = this.#directory
    const said = (id: string) => directory && regionOfDevice(directory, id)
    const regions = new Set(targets.flatMap((id) => said(id) ?? this.#learnt.get(id) ?? []))
    if (regions.size > 1)
      throw new Fault('wrong_jurisdiction', {
        message: 'The targets belong to several jurisdictions: ask for each by itself.',
      })
    const [region] = regions
    return region
  }

  /** One target is enough to refuse an intent, so only a single one is known to belong there. */
  #learn(targets: readonly string[], region: string): void {
    if (targets.length !== 1) return
    if (this.#learnt.size >= LEARNT_MAX) this.#learnt.clear()
    this.#learnt.set(targets[0] as string, region)
  }
}

/** The region that the first word about an intent sends it to; undefined where it was taken in, or refused for something else. */
async function refusedFor(intent: SubmittedIntent, signal?: AbortSignal): Promise<string | undefined> {
  for await (const status of intent.statuses(signal)) return regionIn(status)
  return undefined
}

function regionIn(status: Status): string | undefined {
  if (!isFinal(status) || status.state !== 'denied') return undefined
  return status.reasons.map(regionToAsk).find((region) => region !== undefined)
}
