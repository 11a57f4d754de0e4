import { expect, test } from 'vitest'
import type { AuditStream, StoredMessage, StreamIdentity } from './audit-stream.ts'
import { ReadAhead } from './read-ahead.ts'

/** A stream whose content and identity the test decides, and which counts what is read from it. */
class Source implements AuditStream {
  readonly name = 'AUDIT'
  created = 'first'
  messages: StoredMessage[] = []
  failing = false
  readonly reads: number[] = []

  async identity(): Promise<StreamIdentity> {
    return { created: this.created, lastSeq: this.messages.at(-1)?.seq ?? 0 }
  }

  async read(from: number, { countMax, bytesMax }: { countMax: number; bytesMax: number }): Promise<StoredMessage[]> {
    if (this.failing) throw new Error('away')
    this.reads.push(from)
    let bytes = 0
    return this.messages
      .filter(({ seq }) => seq >= from)
      .slice(0, countMax)
      .filter(({ body }) => {
        const fits = bytes < bytesMax
        bytes += body.length
        return fits
      })
  }

  fill(from: number, to: number, text = ''): void {
    for (let seq = from; seq <= to; seq++) this.messages.push({ seq, source: 's', body: Buffer.from(`${text}${seq}`) })
  }
}

const LIMITS = { countMax: 10, bytesMax: 1_000_000 }
const numbers = (messages: readonly StoredMessage[]) => messages.map(({ seq }) => seq)
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, at) => from + at)
const stage = () => {
  const source = new Source()
  return { source, ahead: new ReadAhead(source) }
}

test('nothing of a stream is handed on after it was created anew, not even what was read before', async () => {
  const { source, ahead } = stage()
  source.fill(1, 40, 'old ')
  await ahead.identity()
  expect(numbers(await ahead.read(1, LIMITS))).toEqual(range(1, 10))
  source.created = 'second'
  source.messages = []
  source.fill(1, 40, 'new ')
  expect((await ahead.identity()).created).toBe('second')
  const read = await ahead.read(11, LIMITS)
  expect(read.map(({ body }) => `${body}`)).toEqual(range(11, 20).map((seq) => `new ${seq}`))
})

test('nor after it was set back', async () => {
  const { source, ahead } = stage()
  source.fill(1, 40, 'old ')
  await ahead.identity()
  await ahead.read(1, LIMITS)
  source.messages = source.messages.slice(0, 12)
  await ahead.identity()
  source.fill(13, 20, 'new ')
  await ahead.identity()
  const read = await ahead.read(11, LIMITS)
  expect(read.map(({ body }) => `${body}`).slice(0, 3)).toEqual(['old 11', 'old 12', 'new 13'])
})

test('gives every message once and in order, whatever part of a read was of use', async () => {
  const { source, ahead } = stage()
  source.fill(1, 95)
  const got: number[] = []
  for (let from = 1; from <= 95; ) {
    await ahead.identity()
    const used = numbers(await ahead.read(from, LIMITS)).slice(0, 7)
    got.push(...used)
    from = (used.at(-1) ?? from) + 1
  }
  expect(got).toEqual(range(1, 95))
  // From where it was before, everything is read again.
  expect(numbers(await ahead.read(3, LIMITS))).toEqual(range(3, 12))
})

test('reads what is left of a batch from memory, and what comes next while the batch is in work', async () => {
  const { source, ahead } = stage()
  source.fill(1, 100)
  await ahead.identity()
  await ahead.read(1, LIMITS)
  await ahead.identity()
  expect(numbers(await ahead.read(9, LIMITS))).toEqual(range(9, 18))
  expect(source.reads).toEqual([1, 11, 21])
})

test('takes what came meanwhile beside what it holds', async () => {
  const { source, ahead } = stage()
  source.fill(1, 5)
  expect(numbers(await ahead.read(1, LIMITS))).toEqual(range(1, 5))
  source.fill(6, 8)
  expect(numbers(await ahead.read(4, LIMITS))).toEqual(range(4, 8))
})

test('what cannot be read ahead is no fault until it is needed, and is read then', async () => {
  const { source, ahead } = stage()
  source.fill(1, 30)
  const first = ahead.read(1, LIMITS)
  await Promise.resolve()
  expect(numbers(await first)).toEqual(range(1, 10))
  await ahead.read(11, LIMITS)
  source.failing = true
  await ahead.read(21, LIMITS).catch(() => undefined)
  await expect(ahead.read(31, LIMITS)).rejects.toThrow('away')
  source.failing = false
  source.fill(31, 33)
  expect(numbers(await ahead.read(31, LIMITS))).toEqual(range(31, 33))
})
