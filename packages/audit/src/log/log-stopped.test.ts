import { readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { generateJwk, signerOf } from '@writ/keys'
import { DirectoryStore } from '@writ/worm-store'
import { describe, expect, test } from 'vitest'
import { clock, dir, file, message, messages, NAME, ORIGIN, opener, openSealer, Stream } from '../testing/log.ts'
import { LogStopped } from './log-stopped.ts'
import { noteSignerOf } from './note-signer.ts'
import { Sealer } from './sealer.ts'

describe('a store that contradicts itself stops the log', () => {
  async function sealed(): Promise<Stream> {
    const audit = new Stream('AUDIT')
    audit.store(...(await messages('token-issuer/i1/b1', 0, 10)))
    await (await openSealer({ streams: [audit] })).seal()
    return audit
  }
  const overwrite = async (path: string, bytes: Uint8Array | string): Promise<void> => {
    await rm(join(dir, path))
    await writeFile(join(dir, path), bytes)
  }

  test('an entry bundle that was changed', async () => {
    const audit = await sealed()
    const path = `${ORIGIN}/tile/entries/000.p/11`
    const bytes = await file(path)
    bytes[50] = (bytes[50] as number) ^ 1
    await overwrite(path, bytes)
    await expect(openSealer({ streams: [audit] })).rejects.toThrow(LogStopped)
  })

  test('a hash tile that was changed', async () => {
    const audit = await sealed()
    await overwrite(`${ORIGIN}/tile/0/000.p/11`, Buffer.alloc(11 * 32))
    await expect(openSealer({ streams: [audit] })).rejects.toThrow(LogStopped)
  })

  test('a staged batch that was changed', async () => {
    const audit = await sealed()
    const [name] = (await readdir(join(dir, `${ORIGIN}.meta/staging`))).slice(-1)
    for (const each of await readdir(join(dir, `${ORIGIN}.meta/staging`)))
      await overwrite(`${ORIGIN}.meta/staging/${each}`, '{}')
    expect(name).toBeDefined()
    await expect(openSealer({ streams: [audit] })).rejects.toThrow(LogStopped)
  })

  test('a checkpoint that no seal explains: the seals were set back', async () => {
    const audit = await sealed()
    await rm(join(dir, `${ORIGIN}.meta/seals/000000000002`))
    await expect(openSealer({ streams: [audit] })).rejects.toThrow('beyond its last seal')
  })

  test('a checkpoint of another key', async () => {
    const audit = await sealed()
    const other = noteSignerOf(signerOf(generateJwk('EdDSA')))
    const opening = Sealer.open({
      store: await DirectoryStore.open(dir),
      name: NAME,
      signer: other,
      streams: [audit],
      retention: { fullMs: 1, shortMs: 1 },
      now: clock.now,
      opening: opener(),
    })
    await expect(opening).rejects.toThrow('not signed by the log key')
  })

  test('other bytes where the next tile belongs: nothing is overwritten, nothing signed', async () => {
    const audit = await sealed()
    const store = await DirectoryStore.open(dir)
    await store.put(`${ORIGIN}/tile/0/000.p/12`, Buffer.alloc(12 * 32), clock.now())
    audit.store(await message('token-issuer/i1/b1', 10))
    const sealer = await openSealer({ streams: [audit] })
    await expect(sealer.seal()).rejects.toThrow(LogStopped)
    await expect(sealer.seal()).rejects.toThrow(LogStopped)
    expect(await readdir(join(dir, `${ORIGIN}.meta/checkpoints`))).toHaveLength(2)
  })
})
