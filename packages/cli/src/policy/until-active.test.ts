import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { untilActive } from './until-active.ts'

const stops: (() => void)[] = []
afterEach(() => {
  for (const stop of stops.splice(0)) stop()
})

/** A service's health address, whose metrics say something else each time they are read; the last stays. */
async function announcing(...pages: readonly string[]): Promise<string> {
  let asked = 0
  const server = createServer((_, response) => response.end(pages[Math.min(asked++, pages.length - 1)]))
  stops.push(() => server.close())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
const evaluator = (version: number) =>
  `writ_policy_version{role="policy-evaluator"} 9\nwrit_policy_active_info{version="${version}",bundle_sha256="x",role="policy-evaluator"} 1\n`
const issuer = (version: number) => `writ_policy_version{role="token-issuer"} ${version}\n`

test('waits for the first decision and the second: policy-evaluators that loaded it, token-issuers that mint under it', async () => {
  const services = {
    'intent-gateway': await announcing('writ_policy_version 1'),
    'policy-evaluator': await announcing(evaluator(1), evaluator(2)),
    'token-issuer': await announcing(issuer(1), issuer(1), issuer(2)),
    'token-issuer-2': await announcing(issuer(3)),
  }
  expect(await untilActive(services, 2)).toEqual(['policy-evaluator', 'token-issuer', 'token-issuer-2'])
})

test('names who does not say so in time', async () => {
  const slow = { 'policy-evaluator': await announcing(evaluator(2)), 'token-issuer': await announcing(issuer(1)) }
  await expect(untilActive(slow, 2, 100)).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining('token-issuer does not say') as string,
  })
  const loading = { 'policy-evaluator': await announcing(evaluator(1)) }
  await expect(untilActive(loading, 2, 100)).rejects.toMatchObject({ code: 'unavailable' })
})
