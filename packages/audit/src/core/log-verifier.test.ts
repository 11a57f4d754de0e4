import { generateJwk, signerOf } from '@writ/keys'
import { describe, expect, test } from 'vitest'
import { noteSignerOf } from '../log/note-signer.ts'
import { formatCheckpoint } from './checkpoint.ts'
import { openLogCheckpoint, verifiersFor } from './log-verifier.ts'
import { EMPTY_ROOT } from './merkle.ts'
import { formatNote } from './note.ts'

const [signer, other] = [noteSignerOf(signerOf(generateJwk('EdDSA'))), noteSignerOf(signerOf(generateJwk('EdDSA')))]
const ORIGIN = 'audit.example/eusc-de-east-1/2026h2'
async function checkpoint(origin: string, by = signer): Promise<string> {
  const text = formatCheckpoint({ origin, size: 0, root: EMPTY_ROOT, extensions: [] })
  return formatNote(text, [{ verifier: by.verifier(origin), signature: await by.sign(text) }])
}

describe('a pinned log key', () => {
  test.each(['audit.example/eusc-de-east-1', ORIGIN])('as %s opens its own and later epochs', async (name) => {
    const pinned = [signer.verifier(name)]
    for (const origin of [ORIGIN, 'audit.example/eusc-de-east-1/2027h1', 'audit.example/eusc-de-east-1/2031h2'])
      expect(openLogCheckpoint(await checkpoint(origin), pinned).origin).toBe(origin)
  })

  test.each([
    'audit.example/eusc-de-east-1/2026h1',
    'audit.example/us-east-1/2026h2',
    'audit.other/eusc-de-east-1/2026h2',
    'audit.example/eusc-de-east-1',
    'audit.example/eusc-de-east-1/2027h3',
    'audit.example/eusc-de-east-1/2027h1/x',
  ])('does not speak for %s', async (origin) => {
    const note = await checkpoint(origin)
    expect(() => openLogCheckpoint(note, [signer.verifier(ORIGIN)])).toThrow(
      expect.objectContaining({ code: 'unknown_key' }),
    )
  })

  test('is not any other key that takes its name', async () => {
    const note = await checkpoint('audit.example/eusc-de-east-1/2027h1', other)
    expect(() => openLogCheckpoint(note, [signer.verifier(ORIGIN)])).toThrow(
      expect.objectContaining({ code: 'unknown_key' }),
    )
    expect(verifiersFor(ORIGIN, [])).toEqual([])
  })
})
