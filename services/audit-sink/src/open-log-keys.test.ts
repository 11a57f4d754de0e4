import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cosignerVerifier, formatVkey, logVerifier } from '@writ/audit'
import type { Enrolment, PublicJwk } from '@writ/contracts'
import { generateJwk, publicJwk, writeKeyFile } from '@writ/keys'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openLogKeys } from './open-log-keys.ts'

const NAME = 'audit.example/eusc-de-east-1'
const ORIGIN = `${NAME}/2026h2`

interface Key {
  readonly reference: string
  readonly jwk: PublicJwk
}
let dir: string
const keys: Record<'log' | 'clock' | 'p256' | 'other', Key> = {} as never
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'writ-log-keys-'))
  for (const [name, alg] of [
    ['log', 'EdDSA'],
    ['clock', 'EdDSA'],
    ['other', 'EdDSA'],
    ['p256', 'ES256'],
  ] as const) {
    const [path, jwk] = [join(dir, `${name}.jwk`), generateJwk(alg)]
    await writeKeyFile(path, jwk)
    keys[name] = { reference: `file:${path}`, jwk: publicJwk(jwk) }
  }
})
afterAll(() => rm(dir, { recursive: true, force: true }))

const signs = ({ jwk }: Key): string => formatVkey(logVerifier(NAME, jwk))
const times = ({ jwk }: Key): string => formatVkey(cosignerVerifier(NAME, jwk))

function open(log_vkeys: readonly string[], log: Key, cosigner?: Key) {
  const enrolment = { trust: { log_vkeys } } as unknown as Enrolment
  const context = {
    enrolment,
    region: 'eusc-de-east-1',
    openKey: (_: string, __: string, run: (kms: object) => Promise<never>) => run({}),
  }
  const config = { logKey: log.reference, logDomain: 'audit.example' }
  return openLogKeys(
    context as unknown as Parameters<typeof openLogKeys>[0],
    cosigner === undefined ? config : { ...config, cosignKey: cosigner.reference },
  )
}
const refused = (words: string) => ({ code: 'malformed', message: expect.stringContaining(words) as string })

describe('the keys of the log', () => {
  test('are those that are pinned: one that signs, and perhaps one that says when', async () => {
    const { log, clock, p256 } = keys
    expect((await open([signs(log)], log)).verifiers(ORIGIN)).toHaveLength(1)
    expect((await open([signs(log), times(clock)], log, clock)).verifiers(ORIGIN)).toHaveLength(2)
    expect((await open([signs(p256)], p256)).verifier(ORIGIN).type).toBe(2)
  })

  test('may have others pinned beside them, as while one gives way to the next', async () => {
    const { log, other, clock } = keys
    expect((await open([signs(other), signs(log), times(clock)], log, clock)).verifiers(ORIGIN)).toHaveLength(2)
  })

  test('are refused when they are not pinned, or pinned for the other use', async () => {
    const { log, clock, other, p256 } = keys
    await expect(open([signs(other)], log)).rejects.toMatchObject(refused('log key is not one that is pinned'))
    await expect(open([times(log)], log)).rejects.toMatchObject(refused('log key is not one'))
    await expect(open([signs(log)], log, clock)).rejects.toMatchObject(refused('cosigning key is not one'))
    await expect(open([signs(log), signs(clock)], log, clock)).rejects.toMatchObject(
      refused('cosigning key is not one'),
    )
    await expect(open([signs(log)], p256)).rejects.toMatchObject(refused('log key is not one'))
    await expect(open([], log)).rejects.toMatchObject(refused('log key is not one'))
  })

  test('are refused when both are one key, whatever is pinned', async () => {
    const { log } = keys
    await expect(open([signs(log), times(log)], log, log)).rejects.toMatchObject(refused('must be another one'))
  })

  test('are refused without the one that says when, where that is pinned', async () => {
    const { log, clock } = keys
    await expect(open([signs(log), times(clock)], log)).rejects.toMatchObject(refused('WRIT_COSIGN_KEY is missing'))
  })
})
