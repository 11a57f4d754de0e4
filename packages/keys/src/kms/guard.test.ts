import { isFault } from '@writ/contracts'
import { expect, test } from 'vitest'
import { Guard, type KmsLimits, type KmsResult } from './guard.ts'
import { WrongAnswer } from './kms-failure.ts'

const SECRET = 'arn:aws:sts::111122223333:assumed-role/secret-role'

/** An error as the SDK throws it: with everything in it that must not go on. */
function sdkError(name: string, status: number): Error {
  return Object.assign(new Error(`User: ${SECRET} is not authorized`), {
    name,
    $metadata: { httpStatusCode: status, requestId: 'f00d-1' },
    $response: { headers: { authorization: SECRET } },
  })
}
const networkError = (): Error => Object.assign(new Error('connect ECONNREFUSED 10.0.0.1'), { code: 'ECONNREFUSED' })

function guarded(limits: Partial<KmsLimits> = {}) {
  const told: KmsResult[] = []
  let now = 0
  const guard = new Guard('alias/x', {
    limits: { backoffMs: 0, ...limits },
    nowMs: () => now,
    observer: { called: (_, result) => void told.push(result), circuit: () => undefined },
  })
  let attempts = 0
  const run = (...outcomes: readonly (Error | string)[]) =>
    guard
      .call('sign', async () => {
        const outcome = outcomes[attempts++] ?? 'done'
        if (typeof outcome === 'string') return outcome
        throw outcome
      })
      .catch((error: unknown) => (isFault(error) ? error : expect.unreachable(String(error))))
  return {
    told,
    guard,
    pass: (ms: number) => {
      now += ms
    },
    run: (...outcomes: readonly (Error | string)[]) => {
      attempts = 0
      return run(...outcomes)
    },
    attempts: () => attempts,
  }
}

test('tries again what may pass, and gives up after some attempts', async () => {
  const { run, told, attempts } = guarded()
  expect(await run(sdkError('ThrottlingException', 400), networkError())).toBe('done')
  expect(told).toEqual(['retried', 'retried', 'ok'])
  expect(await run(...Array.from({ length: 9 }, networkError))).toMatchObject({
    code: 'unavailable',
    message: 'KMS key alias/x: KMS does not answer.',
  })
  expect(attempts()).toBe(3)
})

test.each([
  ['DisabledException', 400, 'unavailable', 'it is disabled'],
  ['AccessDeniedException', 400, 'unavailable', 'may not use it'],
  ['NotFoundException', 400, 'malformed', 'no such key'],
  ['UnrecognizedClientException', 400, 'unavailable', 'credentials'],
  ['SomethingNewException', 400, 'unavailable', 'KMS refused with SomethingNewException'],
])('takes %s for an answer, asks once, and says it in a sentence', async (name, status, code, words) => {
  const { run, told } = guarded({ failuresMax: 1 })
  expect(await run(sdkError(name, status))).toMatchObject({ code, message: expect.stringContaining(words) })
  expect(told).toEqual(['refused'])
  expect(await run(), 'such an answer opens nothing').toBe('done')
})

test('says nothing of who asked and with what, neither in words nor in what is kept for the log', async () => {
  const { run } = guarded()
  for (const error of [sdkError('AccessDeniedException', 400), sdkError('InternalFailure', 500), networkError()]) {
    const fault = await run(error, error, error)
    const kept = JSON.stringify([fault, (fault as Error).message, String((fault as Error).cause)])
    expect(kept).not.toContain('secret-role')
    expect(kept).not.toContain('10.0.0.1')
  }
})

test('never asks again for an answer that does not verify, and counts it', async () => {
  const { run, told, attempts } = guarded({ failuresMax: 2 })
  for (let n = 0; n < 2; n++) {
    expect(await run(new WrongAnswer(), 'right')).toMatchObject({ code: 'bad_signature' })
    expect(attempts()).toBe(1)
  }
  expect(await run('right')).toMatchObject({ code: 'unavailable' })
  expect(told).toEqual(['wrong', 'wrong', 'not_tried'])
})

test('asks nobody while the circuit is open, and one afterwards', async () => {
  const { run, attempts, pass } = guarded({ failuresMax: 3, openMs: 2000 })
  await run(networkError(), networkError(), networkError())
  expect(await run()).toMatchObject({ code: 'unavailable', message: expect.stringContaining('in 2 s') })
  expect(attempts()).toBe(0)
  pass(2000)
  expect(await run()).toBe('done')
})

test('shares the retries among all calls', async () => {
  const { run, told } = guarded({ retriesMax: 1, failuresMax: 99 })
  await run(networkError(), networkError(), networkError())
  await run(networkError(), 'too late')
  expect(told).toEqual(['retried', 'failed', 'failed'])
})

test('begins no attempt after its time, and waits for none longer than its own', async () => {
  const { guard, pass, told } = guarded({ totalTimeoutMs: 1000 })
  let attempts = 0
  const slow = guard.call('sign', async () => {
    attempts += 1
    pass(1000)
    throw networkError()
  })
  await expect(slow).rejects.toMatchObject({ code: 'unavailable' })
  expect(attempts).toBe(1)
  const hangs = guarded({ attemptTimeoutMs: 5, attemptsMax: 1 })
  let aborted = false
  const never = hangs.guard.call('sign', (signal) => {
    signal.addEventListener('abort', () => {
      aborted = true
    })
    return new Promise(() => undefined)
  })
  await expect(never).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('not answer') })
  expect(aborted).toBe(true)
  expect(told).toEqual(['failed'])
})
