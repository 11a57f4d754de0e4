import type { Delivery } from '@writ/bus'
import { Fault } from '@writ/contracts'
import { sha256 } from '@writ/keys'
import { describe, expect, test } from 'vitest'
import { deliver } from './deliver.ts'

const REGION = 'eusc-de-east-1'

async function taken(deliveryCount: number, work: () => Promise<void>) {
  const did: string[] = []
  const data = Buffer.from('a message')
  const delivery: Delivery = {
    subject: `writ.v1.${REGION}.intent.a1`,
    data,
    seq: 1,
    deliveryCount,
    ack: async () => did.push('ack') > 0,
    settle: () => did.push('settle'),
    working: () => undefined,
    term: () => did.push('term'),
    nak: () => did.push('nak'),
  }
  const log = { warn: () => undefined, info: () => undefined, error: () => undefined }
  const refusals = {
    count: (id: string, code: string) => {
      did.push(`count ${id} ${code}`)
    },
  }
  const keep = async (digest: string, body: Uint8Array) => {
    did.push(digest === sha256(data) && Buffer.from(body).equals(data) ? 'keep' : 'keep something else')
  }
  await deliver({ region: REGION, refusals, log, keep }, 'intent', work)(delivery)
  return did
}

describe('a message of a work queue', () => {
  test('is acknowledged when all of it is done, not before', async () => {
    expect(await taken(1, async () => undefined)).toEqual(['ack'])
  })

  test('comes again, however often, while it cannot be decided', async () => {
    const away = async () => {
      throw new Fault('unavailable', { message: 'away' })
    }
    expect(await taken(1, away)).toEqual(['nak'])
    expect(await taken(1000, away)).toEqual(['nak'])
  })

  test('that the handler fails on comes again a few times, and is then taken off, counted and kept', async () => {
    const broken = async () => {
      throw new Error('a bug')
    }
    expect(await taken(4, broken)).toEqual(['nak'])
    expect(await taken(5, broken)).toEqual(['keep', 'count a1 internal', 'term'])
  })
})
