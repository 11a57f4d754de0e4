import { dirname, join } from 'node:path'
import {
  type Agent,
  connectAgent,
  openAgents,
  openSession,
  type RoutedAgent,
  readEnrolment,
  type Session,
  type SessionOptions,
} from '@writ/agent-sdk'
import { type Enrolment, Fault, isFault } from '@writ/contracts'
import { readJurisdictionDirectory } from '@writ/keys'
import { openPlane, type Plane } from '@writ/plane'
import { withAdvice } from './advice.ts'
import type { Chosen } from './contexts/choose-context.ts'
import { assertSamePlane, type PlanePins, pinsOfLocal, pinsOfPackage } from './contexts/same-plane.ts'
import { type LocalFile, readLocalFile } from './local-file.ts'
import { type CosignedSession, readCosigner } from './operator/cosigners.ts'

/** What a command works on: an enrolment, and the folder of the plane where it is at hand. */
export interface Context {
  readonly name: string
  /** Folder of the enrolment package that commands are run as. */
  readonly enrolment: string
  /** Where its signing key lies, when not in the package. */
  readonly keyFile?: string
  /** The folder that `npm start` made: services, store and the operator's tool. */
  readonly home?: string
  readonly local?: LocalFile
  /** Health addresses of services, by name. */
  readonly services: Readonly<Record<string, string>>
}

/** Reads what the chosen context stands for. Throws Fault `malformed` where its enrolment is of another plane than its folder. */
export async function contextOf({ name, home, enrolment, services }: Chosen): Promise<Context> {
  const local = home === undefined ? undefined : await readLocalFile(home)
  const own = local === undefined ? {} : healthOf(local)
  const keyFile = local?.operator.key_file
  const folder = enrolment ?? (keyFile === undefined ? undefined : dirname(keyFile))
  if (folder === undefined) throw new Fault('internal', { message: 'A context has neither plane nor enrolment.' })
  if (local !== undefined) {
    const pins = await pinsIn(folder)
    const what = `The enrolment in ${folder} and the plane in ${home}, both of the context ${name}`
    if (pins !== undefined) assertSamePlane(what, pins, pinsOfLocal(local))
  }
  return {
    name,
    enrolment: folder,
    ...(enrolment === undefined && keyFile !== undefined && { keyFile }),
    ...(home !== undefined && { home }),
    ...(local !== undefined && { local }),
    services: { ...own, ...services },
  }
}

/** Undefined where the package cannot be read: whoever needs it says why. */
async function pinsIn(folder: string): Promise<PlanePins | undefined> {
  try {
    return pinsOfPackage(await readEnrolment(folder))
  } catch (error) {
    if (isFault(error)) return undefined
    throw error
  }
}

/** Throws Fault `malformed` where an enrolment package is of another plane than the context. */
export async function assertOfContext({ name, local, enrolment }: Context, folder: string): Promise<void> {
  const pins = local === undefined ? pinsOfPackage(await readEnrolment(enrolment)) : pinsOfLocal(local)
  assertSamePlane(
    `The enrolment in ${folder} and the context ${name}`,
    pinsOfPackage(await readEnrolment(folder)),
    pins,
  )
}

function healthOf({ services }: LocalFile): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(services).map(([name, { health_url }]) => [name, health_url]))
}

/** What only the plane's own folder has. Throws Fault `unavailable` where the context has none. */
export function localOf({ name, local }: Context): LocalFile {
  if (local !== undefined) return local
  const fault = new Fault('unavailable', {
    message: `The context ${name} has no folder of the plane, which this needs.`,
  })
  throw withAdvice(fault, 'Whoever has it runs this there, or: writ context add NAME --enrolment DIR --local HOME')
}

/** The operator's tool: keys of NATS, root operator and anchors. For commands that make or withdraw credentials. */
export async function planeOf(context: Context): Promise<Plane> {
  return openPlane(localOf(context).provisioning.dir)
}

/**
 * Connected as the operator of the context, or of another enrolment package; `cosign` names those of operators who sign commands too. The
 * caller disposes of it. Throws Fault `wrong_role` where a package is not an operator's, `malformed` where it is of another plane.
 */
export async function operatorSession(
  context: Context,
  enrolment?: string,
  cosign: readonly string[] = [],
): Promise<CosignedSession> {
  const cosigners = await Promise.all(cosign.map(readCosigner))
  const folder = enrolment ?? context.enrolment
  const { kind, id } = await readEnrolment(folder)
  if (kind !== 'operator') {
    const fault = new Fault('wrong_role', { message: `This is for operators, and ${folder} is ${kind} ${id}’s.` })
    throw withAdvice(fault, 'Name an operator’s package with --as DIR, or another context with --context NAME.')
  }
  for (const other of [...(enrolment === undefined ? [] : [enrolment]), ...cosign])
    await assertOfContext(context, other)
  const keyFile = enrolment === undefined ? context.keyFile : undefined
  return { ...(await connectSession(folder, keyFile)), cosigners }
}

/** Connects with an enrolment package. Throws Fault `unavailable` that says whether NATS does not answer or does not take the login. */
export function connectSession(folder: string, keyFile?: string): Promise<Session> {
  return connected(folder, (options) => openSession({ ...options, ...(keyFile !== undefined && { keyFile }) }))
}

/** As `connectSession`, for what only agents do. */
export function agentSession(folder: string): Promise<Agent> {
  return connected(folder, connectAgent)
}

/** The agent with each of its enrolments, one a region. `directory`: a file that says which region devices belong to. */
export async function agentSessions(folders: readonly string[], directory: string | undefined): Promise<RoutedAgent> {
  const known = directory === undefined ? undefined : await readJurisdictionDirectory(directory)
  return openAgents(folders, known, agentSession)
}

const CONNECT_WITHIN_MS = 3000

async function connected<T>(folder: string, open: (options: SessionOptions) => Promise<T>): Promise<T> {
  const enrolment = await readEnrolment(folder)
  const giveUp = new AbortController()
  let last: unknown
  try {
    return await open({
      enrolment: folder,
      connectWithinMs: CONNECT_WITHIN_MS,
      signal: giveUp.signal,
      onStatus: (status) => {
        if (status.type !== 'error') return
        last = status.error
        // Asking again changes nothing about a no.
        if (isLoginRefused(last)) giveUp.abort()
      },
    })
  } catch (cause) {
    // Where no attempt failed, it is a file of the package that did.
    if (cause instanceof Fault && last === undefined) throw cause
    throw unreachable(enrolment, last ?? cause)
  }
}

function unreachable({ nats_url, kind, id }: Enrolment, cause: unknown): Fault {
  if (isLoginRefused(cause)) {
    const fault = new Fault('unavailable', {
      message: `NATS at ${nats_url} refuses the login of ${kind} ${id}.`,
      cause,
    })
    return withAdvice(fault, 'Its credentials were withdrawn, or are of another plane: `writ doctor` says which.')
  }
  const fault = new Fault('unavailable', { message: `NATS at ${nats_url} cannot be reached.`, cause })
  return withAdvice(fault, 'Start the plane (`npm start`), or let `writ doctor` look at the way there.')
}

/** The server answered, with a no. */
export function isLoginRefused(error: unknown): boolean {
  return error instanceof Error && /authorization|authentication|expired/i.test(`${error.name} ${error.message}`)
}

/** Where an identity's enrolment package lies unless the command says otherwise. */
export function identityFolder(context: Context, kind: string, id: string): string {
  if (context.home === undefined) throw new Fault('malformed', { message: 'Name the enrolment package’s folder.' })
  return join(context.home, 'identities', `${kind}-${id}`)
}
