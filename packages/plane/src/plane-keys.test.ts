import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { NOTE_COSIGNATURE, NOTE_ECDSA, NOTE_ED25519, parseVkey } from '@writ/audit'
import { generateJwk, openSigner, publicJwk, writeKeyFile } from '@writ/keys'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createPlane, type KeyReferences, openPlane, type PlaneOptions, planePaths } from './index.ts'

let scratch: string
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'writ-plane-keys-'))
})
afterAll(() => rm(scratch, { recursive: true, force: true }))

const options = (name: string, keys?: KeyReferences): PlaneOptions => ({
  dir: join(scratch, name),
  region: 'test-1',
  natsUrl: 'nats://127.0.0.1:4222',
  logName: 'writ.example/test-1',
  ...(keys !== undefined && { keys }),
})
let made = 0
async function key(alg: 'EdDSA' | 'ES256') {
  const [jwk, path] = [generateJwk(alg), join(scratch, `key-${made++}.jwk`)]
  await writeKeyFile(path, jwk)
  return { path, reference: `file:${path}`, jwk: publicJwk(jwk) }
}
const typesOf = (vkeys: readonly string[]): number[] => vkeys.map((vkey) => parseVkey(vkey).type)

describe('keys that are not in the folder of the plane', { timeout: 30_000 }, () => {
  test('are pinned when it is made, named to who uses them, and never read again', async () => {
    const [log, clock, anchor] = await Promise.all([key('EdDSA'), key('EdDSA'), key('ES256')])
    const wrap = join(scratch, 'wrap.key')
    await writeFile(wrap, randomBytes(32), { mode: 0o600 })
    const keys = {
      log: log.reference,
      cosign: clock.reference,
      wrap: `file:${wrap}`,
      anchors: { 'audit-sink': anchor.reference },
    }
    const { references, trust, dir } = await createPlane(options('elsewhere', keys))
    expect(trust.anchors['audit-sink']).toEqual(anchor.jwk)
    expect(typesOf(trust.log_vkeys)).toEqual([NOTE_ED25519, NOTE_COSIGNATURE])
    expect([references.log, references.cosign, references.wrap]).toEqual([keys.log, keys.cosign, keys.wrap])
    expect(references.anchor('audit-sink')).toBe(anchor.reference)
    expect(references.anchor('token-issuer')).toBe(`file:${planePaths(dir).anchorKey('token-issuer')}`)
    await expect(openSigner(`file:${planePaths(dir).logKey}`)).rejects.toMatchObject({ code: 'unavailable' })
    for (const path of [log.path, clock.path, anchor.path, wrap]) await rm(path)
    expect((await openPlane(dir)).trust).toEqual(trust)
    expect((await createPlane(options('elsewhere'))).trust, 'again, without naming them').toEqual(trust)
    expect((await createPlane(options('elsewhere', keys))).trust, 'again, with the same names').toEqual(trust)
    for (const other of [{ ...keys, log: 'kms:alias/other' }, { log: keys.log }, {}])
      await expect(createPlane(options('elsewhere', other))).rejects.toMatchObject({ code: 'malformed' })
  })

  test('cannot be given to a plane that was made with files', async () => {
    await createPlane(options('files'))
    const { reference } = await key('EdDSA')
    await expect(createPlane(options('files', { log: reference }))).rejects.toMatchObject({ code: 'malformed' })
  })

  test('may be P-256 where a KMS lacks Ed25519; the one that signs times may not', async () => {
    const p256 = await key('ES256')
    const { trust } = await createPlane(options('p256', { log: p256.reference, cosign: 'file:' }))
    expect(typesOf(trust.log_vkeys)).toEqual([NOTE_ECDSA, NOTE_COSIGNATURE])
    await expect(createPlane(options('cosign', { cosign: p256.reference }))).rejects.toMatchObject({
      code: 'malformed',
    })
  })

  test('are refused for two uses at once', async () => {
    const [log, anchor] = await Promise.all([key('EdDSA'), key('ES256')])
    const [a, b] = [log.reference, anchor.reference]
    const twice: KeyReferences[] = [
      { log: a, cosign: a },
      { anchors: { 'audit-sink': b, 'token-issuer': b } },
      { log: b, anchors: { 'audit-sink': b } },
    ]
    for (const [n, keys] of twice.entries())
      await expect(createPlane(options(`twice-${n}`, keys)), JSON.stringify(keys)).rejects.toMatchObject({
        code: 'malformed',
      })
  })

  test('are refused where they are no keys, roles or references', async () => {
    const bad = [
      { log: 'file:/nowhere' },
      { log: 'vault:x' },
      { wrap: 'vault:x' },
      { wrap: (await key('EdDSA')).reference },
      { anchors: { nobody: (await key('ES256')).reference } as never },
    ]
    for (const [n, keys] of bad.entries())
      await expect(createPlane(options(`bad-${n}`, keys)), JSON.stringify(keys)).rejects.toThrow()
    const { dir } = await createPlane(options('tampered', { log: (await key('EdDSA')).reference }))
    const file = planePaths(dir).settings
    const settings = await readFile(file, 'utf8')
    for (const [what, changed] of [
      ['a key that is none', settings.replace(/"x": "[^"]+"/, '"x": "AAAA"')],
      ['another member', settings.replace('"log": {', '"seal": {')],
    ] as const) {
      await writeFile(file, changed)
      await expect(openPlane(dir), what).rejects.toMatchObject({ code: 'unavailable' })
    }
  })
})
