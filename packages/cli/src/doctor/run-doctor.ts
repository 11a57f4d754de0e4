import { join } from 'node:path'
import type { Session } from '@writ/agent-sdk'
import { isFault, type Trust } from '@writ/contracts'
import { readerAt } from '../commands/audit-place.ts'
import { type Context, connectSession } from '../context.ts'
import { contextsFile } from '../contexts/contexts-file.ts'
import { type LocalFile, logVkeysOf } from '../local-file.ts'
import { checkClock } from './check-clock.ts'
import { checkAllPrivate, checkPrivate } from './check-files.ts'
import { checkLog } from './check-log.ts'
import { checkDisk, checkNode, checkTool, NEEDED_TOOLS, type NeededTool } from './check-machine.ts'
import { checkPackage, checkWithdrawn, type PackageFindings } from './check-package.ts'
import { checkControl, checkKeyInForce, checkPins, comparePins } from './check-plane.ts'
import { checkPort, portOf } from './check-ports.ts'
import { type Finding, fail, ok } from './finding.ts'

export interface DoctorOptions {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly nodeVersion: string
  /** What the command line's context stands for, or why that cannot be read. */
  readonly context: Context | { readonly problem: string; readonly next: string | undefined }
  /** Another enrolment package than the context's. */
  readonly enrolment?: string
}

/**
 * Looks at this machine, then at the enrolment's files, then at the way to the plane, then at what the plane says: each once what it rests on
 * is there. Changes nothing. Findings come as they are made.
 */
export async function* runDoctor(options: DoctorOptions): AsyncGenerator<Finding, void> {
  const { env, nodeVersion, context, enrolment } = options
  yield checkNode(nodeVersion)
  const file = contextsFile(env)
  const contexts = await checkPrivate('file mode', file)
  if (contexts !== undefined && contexts.grade !== 'ok') yield contexts
  if ('problem' in context)
    yield fail('context', context.problem, context.next ?? '`writ context list` shows what there is.')
  else yield ok('context', context.home === undefined ? context.name : `${context.name}, the plane in ${context.home}`)
  const known = 'problem' in context ? undefined : context
  if (known?.local !== undefined && known.home !== undefined) yield* checkLocal(known.home, known.local, env)
  const folder = enrolment ?? known?.enrolment
  if (folder === undefined) return
  const keyFile = enrolment === undefined ? known?.keyFile : undefined
  const found = await checkPackage(folder, keyFile)
  yield* found.findings
  if (found.enrolment !== undefined) yield* checkPlane(found, known, keyFile)
}

async function* checkLocal(home: string, local: LocalFile, env: DoctorOptions['env']): AsyncGenerator<Finding, void> {
  for (const tool of Object.keys(NEEDED_TOOLS) as NeededTool[]) yield await checkTool(tool, env)
  yield await checkDisk(home)
  const secret = await checkPrivate('file mode', join(home, 'local.json'))
  if (secret !== undefined) yield secret
  yield* await checkAllPrivate('file mode', join(local.provisioning.dir, 'provisioning'))
  const ports = [
    portOf('redis', local.redis_url, 6379),
    ...Object.entries(local.services).map(([name, { health_url }]) => portOf(name, health_url, 80)),
  ]
  for (const port of ports) if (port !== undefined) yield await checkPort(port)
  yield await checkLog(await readerAt(local.store), local.log_origin, logVkeysOf(local))
}

async function* checkPlane(
  { enrolment, kid, findings }: PackageFindings,
  context: Context | undefined,
  keyFile: string | undefined,
): AsyncGenerator<Finding, void> {
  if (enrolment === undefined) return
  const local = context?.local
  let refused = findings.some(({ check, grade }) => check === 'login' && grade === 'fail')
  if (local !== undefined) {
    const pins = comparePins(enrolment.trust, trustOf(local, enrolment.trust))
    yield pins
    // What another plane has withdrawn says nothing about this login.
    const withdrawn = pins.grade === 'ok' ? await checkWithdrawn(local.provisioning.dir, enrolment) : []
    yield* withdrawn
    refused ||= withdrawn.length > 0
  }
  let reached = false
  for (const url of enrolment.nats_url.split(',')) {
    const port = portOf('nats', url.trim(), 4222)
    if (port === undefined) continue
    const finding = await checkPort(port)
    reached ||= finding.grade === 'ok'
    yield finding
  }
  if (kid === undefined || refused || !reached) return
  const session = await opened(enrolment.folder, keyFile)
  if ('grade' in session) {
    yield session
    return
  }
  try {
    yield ok('NATS', `takes the login of ${enrolment.kind} ${enrolment.id}`)
    yield await graded('control', () => checkControl(session, enrolment))
    yield await graded('pins', () => checkPins(session))
    yield await graded('key in force', () => checkKeyInForce(session, kid))
    yield await checkClock(session)
  } finally {
    await session[Symbol.asyncDispose]()
  }
}

/** `local.json` does not say which kinds two persons sign: that part is not compared. */
function trustOf(local: LocalFile, { two_person }: Trust): Trust {
  return { ...local.trust, log_vkeys: [...logVkeysOf(local)], two_person }
}

async function opened(folder: string, keyFile: string | undefined): Promise<Session | Finding> {
  try {
    return await connectSession(folder, keyFile)
  } catch (error) {
    if (!isFault(error)) throw error
    return fail(
      'NATS',
      error.message,
      'If the port answers, the login is refused: writ credentials renew makes a new one.',
    )
  }
}

async function graded(check: string, look: () => Promise<Finding>): Promise<Finding> {
  try {
    return await look()
  } catch (error) {
    if (!isFault(error)) throw error
    return fail(check, error.message, '`writ status` says what does not answer.')
  }
}
