import { connectAgent } from '@writ/agent-sdk'
import { entriesAbout } from '@writ/audit'
import { spreadControl } from '@writ/cli'
import type { Stack } from '../stack/stack.ts'
import { type Asking, askAgent } from './ask-agent.ts'
import { forgedIntent } from './forged-intent.ts'
import type { Step, Told } from './step.ts'
import { verifyEvidence } from './verify-evidence.ts'

/** Tells the main job as it happens. `asExpected`: every step came out as it should. */
export async function tellStory(stack: Stack, log: (line: string) => void): Promise<{ readonly asExpected: boolean }> {
  await using agent = await connectAgent({ enrolment: stack.paths.identity('agent', 'maintenance') })
  log(
    `\nA plant with two gateways and its devices is enrolled. Agent maintenance may act for u-anna on the group press-hall.`,
  )
  const steps = [...stepsOf(stack, { agent, policy: await activePolicy(stack) })]
  const unexpected: string[] = []
  for (const [index, { title, tell }] of steps.entries()) {
    log(`\n${index + 1}. ${title}`)
    const told = await tell()
    for (const [name, text] of told.lines) log(`   ${name.padEnd(9)}${text}`)
    for (const digest of told.intents ?? []) log(`   ${'evidence'.padEnd(9)}${await evidenceOf(stack, digest)}`)
    log(told.instead === undefined ? '   ✓ as it should be' : `   ✗ ${told.instead}`)
    if (told.instead !== undefined) unexpected.push(title)
  }
  const verdict =
    unexpected.length === 0
      ? `All ${steps.length} steps came out as they should.`
      : `Not as it should be: ${unexpected.join('; ')}.`
  log(`\n${verdict}`)
  return { asExpected: unexpected.length === 0 }
}

async function activePolicy({ operator }: Stack): Promise<string> {
  await operator.reader.signers()
  const active = operator.authority.trust.record('policy', 'active')
  return active === undefined
    ? 'no policy'
    : `policy version ${active.version} (bundle ${active.record.bundle_sha256.slice(0, 8)}…)`
}

const SEALED_WITHIN_MS = 10_000

/** Where the log has an intent: sealed within a second or two of the effect. */
async function evidenceOf({ store, plane }: Stack, digest: string): Promise<string> {
  const deadline = performance.now() + SEALED_WITHIN_MS
  for (;;) {
    const entries = await entriesAbout(await store.openReader(), plane.logName, digest)
    const types = entries.flatMap((entry) => entry.types)
    const ended = types.some(
      (type) =>
        /^(intent\.refused|action\.(succeeded|failed|refused|aborted|unknown))$/.test(type) ||
        type === 'policy.decided',
    )
    if (ended || performance.now() > deadline) {
      const leaves = entries.map(({ index }) => index)
      return leaves.length === 0
        ? 'not sealed yet'
        : `leaves ${leaves.join(', ')} of ${plane.logName}: ${[...new Set(types)].join(', ')}`
    }
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

function* stepsOf(stack: Stack, asking: Asking): Generator<Step> {
  const enrolment = stack.paths.identity('agent', 'maintenance')
  const by = { onBehalfOf: 'u-anna' }
  yield {
    title: 'Read a sensor',
    tell: () =>
      askAgent(
        asking,
        {
          ...by,
          action: 'telemetry-read',
          targets: ['temp-11'],
          purpose: 'Look at the oil temperature before the shift.',
        },
        { state: 'succeeded', returns: (result) => Object.keys(result).length > 0 },
      ),
  }
  yield {
    title: 'Restart a press',
    tell: () =>
      askAgent(
        asking,
        { ...by, action: 'restart', targets: ['press-07'], purpose: 'Clear the jam after the tool change.' },
        { state: 'succeeded' },
      ),
  }
  yield {
    title: 'Restart a press that fails',
    tell: () =>
      askAgent(
        asking,
        { ...by, action: 'restart', targets: ['press-09'], purpose: 'Clear the jam here as well.' },
        { state: 'failed', code: 'action_failed' },
      ),
  }
  yield {
    title: 'Update firmware to a version that nobody approved',
    tell: () =>
      askAgent(
        asking,
        {
          ...by,
          action: 'firmware-update',
          targets: ['press-07'],
          params: { version: '9.9.9' },
          purpose: 'Get the newest firmware.',
        },
        { state: 'denied', code: 'policy_denied' },
      ),
  }
  yield { title: 'An intent with a forged signature', tell: () => forgedIntent(stack, enrolment) }
  yield {
    title: 'A device outside the agent’s group',
    tell: () =>
      askAgent(
        asking,
        { ...by, action: 'restart', targets: ['conveyor-plc-02'], purpose: 'Restart the conveyor too.' },
        { state: 'denied', code: 'scope_exceeded' },
      ),
  }
  yield* revokeAndLift(stack, asking)
  yield { title: 'Verify the evidence, as an auditor would', tell: () => verifyEvidence(stack) }
}

function* revokeAndLift(stack: Stack, asking: Asking): Generator<Step> {
  const request = {
    onBehalfOf: 'u-anna',
    action: 'telemetry-read',
    targets: ['press-07'],
    purpose: 'Have another look.',
  }
  let revoked = 0
  yield {
    title: 'The operator revokes the agent',
    tell: async () => {
      const spread = await spreadControl(
        stack.operator,
        { command: 'revoke', scope: 'agent', id: asking.agent.id },
        'Its key was left on a laptop.',
      )
      revoked = spread.seq
      return toldOf(spread)
    },
  }
  yield { title: 'The revoked agent asks', tell: () => askAgent(asking, request, { state: 'denied', code: 'revoked' }) }
  yield {
    title: 'The operator lifts it',
    tell: async () =>
      toldOf(await spreadControl(stack.operator, { command: 'lift', lifts: revoked }, 'The laptop was found.')),
  }
  yield { title: 'The agent asks again', tell: () => askAgent(asking, request, { state: 'succeeded' }) }
}

function toldOf({ seq, confirmed, gateways, effectiveBy }: Awaited<ReturnType<typeof spreadControl>>): Told {
  const all = confirmed.length === gateways.length
  return {
    lines: [
      ['recorded', `control message ${seq}; ${confirmed.length} of ${gateways.length} gateways confirmed at once`],
      ['bound', `effective everywhere, whatever is cut off, by ${effectiveBy.toISOString().slice(11, 19)} UTC`],
    ],
    ...(!all && { instead: 'every gateway should have confirmed it' }),
  }
}
