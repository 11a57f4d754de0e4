import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ephemeralSigner } from '@writ/keys'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Chain } from './chain.ts'
import { auditEvent } from './events.ts'
import { type Kept, Outbox } from './outbox.ts'

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'writ-outbox-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

async function messages(count: number): Promise<readonly Kept[]> {
  const signer = ephemeralSigner()
  const chain = new Chain({ region: 'r1', role: 'token-issuer', instance: 'ti-0', boot: 'b1', signer, nowMs: Date.now })
  const made: Kept[] = []
  for (let n = 0; n < count; n++) {
    const { json } = chain.event(auditEvent('source.heartbeat', { detail: { n, text: 'x'.repeat(30_000) } }))
    made.push(await chain.sign(made.at(-1), [json]))
  }
  return made
}

test('G5: a message that is being written while the log covers earlier ones stays in the outbox', async () => {
  const chain = await messages(11)
  const outbox = await Outbox.open(join(dir, 'b1.outbox'))
  for (const kept of chain.slice(0, 9)) await outbox.append(kept)
  // The ninth message makes the file large enough to be rewritten, and the tenth is on its way to it.
  await Promise.all([outbox.append(chain[9] as Kept), outbox.cover(8)])
  await outbox.append(chain[10] as Kept)
  await outbox.close()
  const again = await Outbox.open(join(dir, 'b1.outbox'))
  expect(again.uncovered.map(({ seq }) => seq)).toEqual([9, 10])
  await again.close()
})
