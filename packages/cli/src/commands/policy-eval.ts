import { readFile } from 'node:fs/promises'
import type { Session } from '@writ/agent-sdk'
import { Fault, type JsonObject } from '@writ/contracts'
import { parseIJson } from '@writ/keys'
import { connectStore, readReports } from '@writ/plane'
import { type Context, operatorSession, planeOf } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import type { Invocation } from '../invocation.ts'
import { activePolicyOrFault } from '../policy/active-policy.ts'
import { builtOf, openSource } from '../policy/source.ts'
import { type Asked, type WhatIfSources, whatIf } from '../policy/what-if.ts'
import { linesOfWhatIf, valueOfWhatIf } from './policy-eval-text.ts'

export interface EvalOptions {
  readonly agent: string
  readonly action: string
  readonly target: readonly string[]
  readonly user: string
  readonly params?: string
  readonly bundle?: string
  readonly now?: string
  readonly state?: string
  readonly as?: string
}

/** `writ policy eval` */
export async function evalPolicy(invocation: Invocation, options: EvalOptions): Promise<void> {
  const asked = await askedIn(options)
  const context = await invocation.context()
  await using session = await operatorSession(context, options.as)
  await session.reader.control()
  await session.reader.registry()
  const { policy, bundle, evaluator } = await policyFor(invocation, session, options)
  const reported = await reportsOf(context, session, asked.targets)
  const states = options.state === undefined ? {} : await readStates(options.state)
  const found = whatIf(session, asked, { policy, evaluator, reports: reported.reports, states })
  const about = { bundle, evaluator, policy, found, reports: reported.readable }
  invocation.out.result(valueOfWhatIf(about), linesOfWhatIf(about))
  const no = found.decidedBy === 'intake' || found.decision.outcome === 'deny'
  if (no) invocation.fail(EXIT.refused)
}

async function askedIn({ agent, action, target, user, params, now }: EvalOptions): Promise<Asked> {
  return {
    agent,
    action,
    targets: target,
    user,
    nowSeconds: now === undefined ? Math.floor(Date.now() / 1000) : secondsOf(now),
    ...(params !== undefined && { params: await readObject(params) }),
  }
}

function secondsOf(text: string): number {
  const seconds = /^[0-9]{1,12}$/.test(text) ? Number(text) : Math.floor(Date.parse(text) / 1000)
  if (Number.isSafeInteger(seconds)) return seconds
  throw new Fault('malformed', { message: `${text} is no time: 2026-01-31T22:00:00Z, or seconds since 1970.` })
}

/** The policy in force, or the one given, as the version that it would be. */
async function policyFor(invocation: Invocation, session: Session, { bundle: path }: EvalOptions) {
  if (path === undefined) {
    const { version, record, bundle, evaluator } = await activePolicyOrFault(session)
    return { policy: policyRecord(version, record), bundle, evaluator }
  }
  const { bundle, evaluator } = builtOf(await openSource(invocation, path))
  const version = session.authority.trust.version('policy', 'active') + 1
  const record = { bundle_sha256: bundle.bundleSha256, revision: bundle.revision }
  return { policy: policyRecord(version, record), bundle, evaluator }
}

function policyRecord(version: number, record: WhatIfSources['policy']['record']): WhatIfSources['policy'] {
  return { kind: 'policy', id: 'active', version, record, digest: '', value: '' }
}

/** Reports are for services to read; who has the plane's folder may too. */
async function reportsOf(context: Context, { authority }: Session, targets: readonly string[]) {
  if (context.local === undefined) return { readable: false, reports: [] }
  const devices = targets.flatMap((deviceId) => {
    const gatewayId = authority.trust.record('device', deviceId)?.record.gateway_id
    return gatewayId === undefined ? [] : [{ gatewayId, deviceId }]
  })
  const plane = await planeOf(context)
  const store = await connectStore(plane)
  try {
    return { readable: true, reports: await readReports(plane, store, devices) }
  } finally {
    await store.close()
  }
}

async function readObject(path: string): Promise<JsonObject> {
  try {
    return parseIJson(await readFile(path))
  } catch (cause) {
    throw new Fault('malformed', { message: `${path} holds no JSON object.`, cause })
  }
}

async function readStates(path: string): Promise<Readonly<Record<string, JsonObject>>> {
  const states = await readObject(path)
  for (const [device, state] of Object.entries(states))
    if (typeof state !== 'object' || state === null || Array.isArray(state))
      throw new Fault('malformed', { message: `${path} holds no state of ${device}.` })
  return states as Readonly<Record<string, JsonObject>>
}
