import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { connectAgent, openSession } from '@writ/agent-sdk'
import { intentMessage } from '@writ/contracts'
import { digestOf, ephemeralSigner, signMessage } from '@writ/keys'
import type { Stack } from '../stack/stack.ts'
import type { Told } from './step.ts'

const COUNTED_WITHIN_MS = 10_000

/**
 * Publishes an intent that names the agent's key and is signed with another. It gets no status, since nobody proved to be its
 * sender: it is counted, and nothing of it is kept.
 */
export async function forgedIntent(stack: Stack, enrolment: string): Promise<Told> {
  await using session = await openSession({ enrolment })
  const before = await refusedCount(stack)
  const iat = Math.floor(Date.now() / 1000)
  const stranger = { ...ephemeralSigner(), kid: session.signer.kid }
  const claims = {
    iss: session.id,
    aud: session.authority.audience,
    iat,
    exp: iat + 60,
    jti: randomUUID(),
    on_behalf_of: 'u-anna',
    action: 'restart',
    targets: ['press-07'],
    purpose: 'Somebody else signed this.',
  }
  const compact = await signMessage(stranger, intentMessage, claims)
  await session.bus.store(session.subjects.intent(session.id), compact, { stream: 'INTENTS' })
  const counted = await untilCounted(stack, before)
  await using agent = await connectAgent({ enrolment })
  const status = (await agent.status(claims.jti)) ?? (await agent.status(`rejected-${digestOf(compact).slice(0, 16)}`))
  const ok = counted > before && status === undefined
  return {
    lines: [
      ['asked', `somebody who names the key of agent ${session.id} and signs with another: restart press-07`],
      ['decided', 'refused. bad_signature: nobody proved to be its sender, so it is counted and nothing of it is kept'],
    ],
    ...(!ok && { instead: 'it should have been counted as bad_signature, without a status' }),
  }
}

async function untilCounted(stack: Stack, before: number): Promise<number> {
  const deadline = performance.now() + COUNTED_WITHIN_MS
  for (;;) {
    const count = await refusedCount(stack)
    if (count > before || performance.now() > deadline) return count
    await delay(50)
  }
}

/** `messages.refused` with `bad_signature` at intent-gateway, from its metrics. */
async function refusedCount({ healthUrls }: Stack): Promise<number> {
  const text = await (await fetch(`${healthUrls['intent-gateway']}/metrics`)).text()
  const lines = text
    .split('\n')
    .filter((line) => /^writ_messages_refused_total\{/.test(line) && line.includes('bad_signature'))
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
}
