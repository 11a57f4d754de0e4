import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Journal, type JournalOptions } from './journal.ts'
import type { JournalFile } from './journal-file.ts'

let dir: string
let path: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'writ-journal-'))
  path = join(dir, 'journal')
})
afterEach(() => rm(dir, { recursive: true, force: true }))

const text = (value: string) => Buffer.from(value)

async function read(options: JournalOptions = {}): Promise<string[]> {
  const records: string[] = []
  await using _ = await Journal.open(path, { ...options, replay: (record) => records.push(record.toString()) })
  return records
}

/** Each record in a frame of its own. */
async function write(records: string[]): Promise<void> {
  await using journal = await Journal.open(path)
  for (const record of records) await journal.append(text(record))
}

describe('what was acknowledged is replayed', () => {
  test('records come back in order, empty ones too', async () => {
    await write(['one', '', 'three'])
    expect(await read()).toEqual(['one', '', 'three'])
    await write(['four'])
    expect(await read()).toEqual(['one', '', 'three', 'four'])
  })

  test('a journal cut at any byte gives back exactly the whole records before the cut, and takes new ones', async () => {
    await write([])
    const ends = [(await readFile(path)).length]
    for (const record of ['first', 'second', 'third and longer']) {
      await write([record])
      ends.push((await readFile(path)).length)
    }
    const whole = await readFile(path)
    for (let cut = ends[0] ?? 0; cut <= whole.length; cut++) {
      await writeFile(path, whole.subarray(0, cut))
      const kept = ends.filter((end, i) => i > 0 && end <= cut).length
      expect(await read()).toEqual(['first', 'second', 'third and longer'].slice(0, kept))
      await write(['after'])
      expect((await read()).at(-1)).toBe('after')
      expect(await read()).toHaveLength(kept + 1)
    }
  })

  test('zeros or noise where a torn write ended are dropped', async () => {
    for (const tail of [Buffer.alloc(5000), Buffer.from('WRJFWRJFWRJFWRJFWRJFWRJFWRJFWRJF')]) {
      await rm(path, { force: true })
      await write(['kept'])
      await appendFile(path, tail)
      expect(await read()).toEqual(['kept'])
    }
  })

  test('one flipped bit in an earlier record is a Fault, in the last one it drops that one, and never changes a record', async () => {
    await write(['aaaa', 'bbbb', 'cccc'])
    const whole = await readFile(path)
    const lastFrame = whole.length - 28
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const bytes = Buffer.from(whole)
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      await writeFile(path, bytes)
      if (bit >> 3 < lastFrame) await expect(read()).rejects.toMatchObject({ code: 'internal' })
      else expect(await read()).toEqual(['aaaa', 'bbbb'])
    }
  })

  test('a frame moved or repeated from elsewhere in the file is a Fault', async () => {
    await write(['same', 'same'])
    const whole = await readFile(path)
    await appendFile(path, whole.subarray(whole.length - 28))
    await expect(read()).rejects.toMatchObject({ code: 'internal' })
  })

  test('a record that holds the bytes of a frame does not turn a torn tail into damage', async () => {
    await write(['x'])
    const frame = (await readFile(path)).subarray(28)
    await write([`${frame.toString('latin1')}`])
    const whole = await readFile(path)
    await writeFile(path, whole.subarray(0, whole.length - 1))
    expect(await read()).toEqual(['x'])
  })

  test('an empty or foreign file is refused, not overwritten', async () => {
    for (const bytes of ['', 'hello, this is some other file of some length']) {
      await writeFile(path, bytes)
      await expect(read()).rejects.toMatchObject({ code: 'internal' })
      expect(await readFile(path, 'utf8')).toBe(bytes)
    }
  })
})

describe('flushes are shared', () => {
  test('a thousand appends that wait together take a handful of flushes', async () => {
    let flushes = 0
    const count = (file: JournalFile): JournalFile => ({
      ...file,
      datasync: () => {
        flushes += 1
        return file.datasync()
      },
    })
    {
      await using journal = await Journal.open(path, { wrapFile: count })
      await Promise.all(Array.from({ length: 1000 }, (_, i) => journal.append(text(String(i)))))
    }
    expect(flushes).toBeLessThan(5)
    expect(await read()).toEqual(Array.from({ length: 1000 }, (_, i) => String(i)))
  })

  test('an append does not resolve before its bytes are flushed', async () => {
    const events: string[] = []
    const trace = (file: JournalFile): JournalFile => ({
      ...file,
      write: (bytes, at) => file.write(bytes, at).then(() => void events.push('written')),
      datasync: () => file.datasync().then(() => void events.push('flushed')),
    })
    await using journal = await Journal.open(path, { wrapFile: trace })
    await journal.append(text('x')).then(() => events.push('resolved'))
    expect(events).toEqual(['written', 'flushed', 'resolved'])
  })
})

describe('what may wait', () => {
  /** The records of each flush. */
  function counting() {
    const state = { flushes: 0, full: false }
    const wrapFile = (file: JournalFile): JournalFile => ({
      ...file,
      write: (bytes, at) =>
        state.full ? Promise.reject(Object.assign(new Error(), { code: 'ENOSPC' })) : file.write(bytes, at),
      datasync: () => {
        state.flushes += 1
        return file.datasync()
      },
    })
    return { state, wrapFile }
  }

  test('goes in front of the next append, in its flush', async () => {
    const { state, wrapFile } = counting()
    await using journal = await Journal.open(path, { wrapFile })
    journal.appendLater(text('a'))
    journal.appendLater(text('b'))
    expect(state.flushes).toBe(0)
    await journal.append(text('c'))
    expect([state.flushes, await read()]).toEqual([1, ['a', 'b', 'c']])
  })

  test('is lost with what it went with, or with nothing: a cut anywhere in that flush leaves neither', async () => {
    await write(['first'])
    const start = (await readFile(path)).length
    {
      await using journal = await Journal.open(path)
      journal.appendLater(text('plan'))
      await journal.append(text('redeem'))
    }
    const whole = await readFile(path)
    for (let cut = start; cut < whole.length; cut++) {
      await writeFile(path, whole.subarray(0, cut))
      expect(await read()).toEqual(['first'])
    }
  })

  test('stays for the next append when the disk was full, in front of it still', async () => {
    const { state, wrapFile } = counting()
    await using journal = await Journal.open(path, { wrapFile })
    journal.appendLater(text('plan'))
    state.full = true
    await expect(journal.append(text('redeem'))).rejects.toMatchObject({ code: 'unavailable' })
    state.full = false
    await journal.append(text('redeem again'))
    expect(await read()).toEqual(['plan', 'redeem again'])
  })

  test('goes by itself when nothing comes, when there is much of it, and when the journal is closed', async () => {
    const { state, wrapFile } = counting()
    {
      await using journal = await Journal.open(path, { wrapFile })
      journal.appendLater(text('alone'))
      await vi.waitFor(() => expect(state.flushes).toBe(1), 10_000)
      for (let n = 0; n < 256; n++) journal.appendLater(text('one of many'))
      await vi.waitFor(() => expect(state.flushes).toBe(2), 900)
      journal.appendLater(text('last'))
    }
    const records = await read()
    expect([records[0], records.length, records.at(-1)]).toEqual(['alone', 258, 'last'])
  })

  test('is bounded while the disk takes nothing', async () => {
    const { state, wrapFile } = counting()
    state.full = true
    await using journal = await Journal.open(path, { wrapFile })
    const fill = () => {
      for (;;) journal.appendLater(text('x'))
    }
    expect(fill).toThrow(expect.objectContaining({ code: 'unavailable' }))
  })

  test('is replaced by a compaction that was asked for after it, and not by one before', async () => {
    {
      await using journal = await Journal.open(path)
      journal.appendLater(text('old'))
      const compacted = journal.compact([text('all')])
      journal.appendLater(text('new'))
      await compacted
    }
    expect(await read()).toEqual(['all', 'new'])
  })
})

describe('when the disk fails', () => {
  /** Fails the named call while `armed`, after writing half of the bytes. */
  function failing(call: 'write' | 'datasync' | 'truncate') {
    const state = { armed: [] as string[], file: undefined as JournalFile | undefined }
    const full = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
    const wrapFile = (file: JournalFile): JournalFile => ({
      ...file,
      write: async (bytes, at) => {
        if (!state.armed.includes('write')) return file.write(bytes, at)
        await file.write(bytes.subarray(0, bytes.length >> 1), at)
        throw full
      },
      datasync: async () => {
        if (state.armed.includes('datasync')) throw full
        await file.datasync()
      },
      truncate: async (length) => {
        if (state.armed.includes('truncate')) throw full
        await file.truncate(length)
      },
    })
    return { state, wrapFile, arm: (...calls: string[]) => (state.armed = calls.length > 0 ? calls : [call]) }
  }

  test.each(['write', 'datasync'] as const)(
    'a full disk at %s is unavailable, and later appends are whole',
    async (call) => {
      const disk = failing(call)
      {
        await using journal = await Journal.open(path, { wrapFile: disk.wrapFile })
        await journal.append(text('before'))
        disk.arm()
        await expect(journal.append(text('lost, and longer than the next'))).rejects.toMatchObject({
          code: 'unavailable',
          message: expect.stringContaining('full'),
        })
        disk.state.armed = []
        await journal.append(text('after'))
      }
      expect(await read()).toEqual(['before', 'after'])
    },
  )

  test('while the torn end cannot be cut off nothing is written behind it', async () => {
    const disk = failing('write')
    {
      await using journal = await Journal.open(path, { wrapFile: disk.wrapFile })
      await journal.append(text('before'))
      disk.arm('write', 'truncate')
      await expect(journal.append(text('lost'))).rejects.toMatchObject({ code: 'unavailable' })
      disk.arm('truncate')
      await expect(journal.append(text('refused'))).rejects.toMatchObject({ code: 'unavailable' })
      disk.state.armed = []
      await journal.append(text('after'))
    }
    expect(await read()).toEqual(['before', 'after'])
  })

  test('a compaction that fails leaves the old journal in use', async () => {
    const disk = failing('write')
    {
      await using journal = await Journal.open(path, { wrapFile: disk.wrapFile })
      await journal.append(text('before'))
      disk.arm()
      await expect(journal.compact([text('new')])).rejects.toMatchObject({ code: 'unavailable' })
      disk.state.armed = []
      await journal.append(text('after'))
    }
    expect(await read()).toEqual(['before', 'after'])
  })
})

describe('limits', () => {
  test('a record over the limit is refused and the journal goes on', async () => {
    await using journal = await Journal.open(path, { recordBytesMax: 10 })
    await expect(journal.append(Buffer.alloc(11))).rejects.toMatchObject({ code: 'too_large' })
    await journal.append(Buffer.alloc(10))
  })

  test('a full journal is unavailable until it is compacted', async () => {
    await using journal = await Journal.open(path, { journalBytesMax: 200 })
    await journal.append(Buffer.alloc(100))
    await expect(journal.append(Buffer.alloc(100))).rejects.toMatchObject({ code: 'unavailable' })
    await journal.compact([])
    await journal.append(Buffer.alloc(100))
  })

  test('a closed journal takes nothing, and closing finishes what waits', async () => {
    const journal = await Journal.open(path)
    const waiting = journal.append(text('waiting'))
    await journal[Symbol.asyncDispose]()
    await waiting
    await expect(journal.append(text('late'))).rejects.toMatchObject({ code: 'unavailable' })
    expect(await read()).toEqual(['waiting'])
  })
})

describe('compaction', () => {
  test('replaces what was appended before it and keeps the order of what comes after', async () => {
    {
      await using journal = await Journal.open(path)
      const before = journal.append(text('old'))
      const compacted = journal.compact(['a', 'b'].map(text))
      const after = journal.append(text('new'))
      await Promise.all([before, compacted, after])
      await journal.append(text('newer'))
    }
    expect(await read()).toEqual(['a', 'b', 'new', 'newer'])
  })

  test('takes more than one frame', async () => {
    const many = Array.from({ length: 10_000 }, (_, i) => text(`record ${i}`))
    {
      await using journal = await Journal.open(path)
      await journal.compact(many)
    }
    expect(await read()).toHaveLength(10_000)
  })

  test('a half-written compaction of a killed process is ignored', async () => {
    await write(['kept'])
    await writeFile(`${path}.compact`, 'garbage')
    expect(await read()).toEqual(['kept'])
  })
})
