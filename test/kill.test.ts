import { type Agent, connectAgent } from '@writ/agent-sdk'
import { evidenceReport, type Stack } from '@writ/local'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type LocalStack, startLocalStack } from './support/local-stack.ts'

let local: LocalStack
let stack: Stack
let agent: Agent

beforeAll(async () => {
  local = await startLocalStack('kill')
  stack = local.stack
  agent = await connectAgent({ enrolment: stack.paths.identity('agent', 'maintenance') })
})
afterAll(async () => {
  await agent?.[Symbol.asyncDispose]()
  await local?.[Symbol.asyncDispose]()
})

const submit = (targets: readonly string[]) =>
  agent.submit({ action: 'restart', targets, onBehalfOf: 'u-anna', purpose: 'Restart while something dies.' })

describe('G5, G12: a process is killed in the middle of the work', () => {
  test.each(['intent-gateway', 'policy-evaluator', 'token-issuer', 'audit-sink', 'redis-server', 'nats-server'])(
    'kill -9 of %s: every intent ends, each step runs once, and the log has it',
    async (name) => {
      const intents = [await submit(['press-07']), await submit(['press-07'])]
      const pid = stack.pidOf(name)
      if (pid === undefined) throw new Error(`${name} does not run`)
      process.kill(pid, 'SIGKILL')
      intents.push(await submit(['press-07']))
      for (const intent of intents) {
        const { status, outcomes } = await intent.done(AbortSignal.timeout(90_000))
        expect([status.state, ...outcomes.map(({ state }) => state)], local.said.join('\n')).toEqual([
          'succeeded',
          'succeeded',
        ])
      }
      await stack.untilReady()
    },
  )

  test('afterwards the evidence verifies', async () => {
    const report = await evidenceReport(stack)
    expect(report).toMatchObject({ ok: true, findings: [] })
  })
})
