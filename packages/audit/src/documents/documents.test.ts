import { createHmac, randomBytes } from 'node:crypto'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { EventDocument, Fault } from '@writ/contracts'
import { digestOf, ephemeralSigner, signJws } from '@writ/keys'
import { CompactEncrypt, compactDecrypt } from 'jose'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openDocument, sealDocument } from './sealed-document.ts'
import { type SubjectKey, type SubjectKeyStore, SubjectKeys, unwrapSubjectKeys } from './subject-keys.ts'
import { parseSubjectKeys, readSubjectKeysFile, writeSubjectKeysFile } from './subject-keys-file.ts'
import { openWrappingKey, wrappingKeyOf } from './wrapping-key.ts'

const october = Date.UTC(2026, 9, 1)
const jws = await signJws(ephemeralSigner(), 'writ-intent+jwt', { on_behalf_of: 'jane@plant.example' })
const key: SubjectKey = { kid: 'k1', key: randomBytes(32) }
const code = (error: unknown) => (error as Fault).code

class MemoryStore implements SubjectKeyStore {
  values = new Map<string, Uint8Array>()
  async get(id: string) {
    return this.values.get(id)
  }
  async create(id: string, wrapped: Uint8Array) {
    if (this.values.has(id)) return false
    this.values.set(id, wrapped)
    return true
  }
}

describe('a sealed document', () => {
  const open = (document: EventDocument, keys: Record<string, Uint8Array> = { [key.kid]: key.key }) =>
    openDocument(document, (kid) => keys[kid])

  test('shows nothing of its text, and opens to the exact message under its key, with any JOSE library', async () => {
    const document = await sealDocument('writ-intent+jwt', jws, key)
    expect(document).toEqual({ typ: 'writ-intent+jwt', digest: digestOf(jws), jwe: expect.any(String) as string })
    expect(document.jwe).not.toContain(jws.split('.')[1])
    expect(await open(document)).toEqual({ state: 'open', jws })
    const { plaintext, protectedHeader } = await compactDecrypt(document.jwe ?? '', key.key)
    expect(new TextDecoder().decode(plaintext)).toBe(jws)
    expect(protectedHeader).toMatchObject({ alg: 'dir', enc: 'A256GCM', kid: 'k1' })
  })

  test('is never sealed twice to the same bytes', async () => {
    const [a, b] = await Promise.all([1, 2].map(() => sealDocument('writ-intent+jwt', jws, key)))
    expect(a?.jwe).not.toBe(b?.jwe)
  })

  test('without its key, or with another under its id, is sealed and not damaged', async () => {
    const document = await sealDocument('writ-intent+jwt', jws, key)
    expect(await open(document, {})).toEqual({ state: 'sealed' })
    expect(await open(document, { k1: randomBytes(32) })).toEqual({ state: 'sealed' })
  })

  test('that was changed anywhere is refused', async () => {
    const document = await sealDocument('writ-intent+jwt', jws, key)
    const jwe = document.jwe ?? ''
    for (let at = 0; at < jwe.length; at += 7) {
      const changed = `${jwe.slice(0, at)}${jwe[at] === 'A' ? 'B' : 'A'}${jwe.slice(at + 1)}`
      const opened = await open({ ...document, jwe: changed }).catch(code)
      expect([{ state: 'sealed' }, 'malformed']).toContainEqual(opened)
    }
  })

  test('whose event names another message or type is refused', async () => {
    const document = await sealDocument('writ-intent+jwt', jws, key)
    await expect(open({ ...document, digest: digestOf('a.b.c') })).rejects.toMatchObject({ code: 'chain_broken' })
    await expect(open({ ...document, typ: 'writ-outcome+jwt' })).rejects.toMatchObject({ code: 'chain_broken' })
    await expect(open({ ...document, jws })).rejects.toMatchObject({ code: 'malformed' })
    await expect(open({ typ: document.typ, digest: document.digest })).rejects.toMatchObject({ code: 'malformed' })
  })

  test('with a header of another making is refused: no other algorithm, no compression, no missing commitment', async () => {
    const kcv = createHmac('sha256', key.key).update('writ key commitment v1').digest('base64url')
    const seal = (header: object) =>
      new CompactEncrypt(Buffer.from(jws)).setProtectedHeader({ alg: 'dir', enc: 'A256GCM', kid: 'k1', ...header })
    const good = await seal({ kcv }).encrypt(key.key)
    expect(await open({ typ: 'writ-intent+jwt', digest: digestOf(jws), jwe: good })).toMatchObject({ state: 'open' })
    for (const header of [{}, { kcv, cty: 'JOSE' }, { kcv, enc: 'A128CBC-HS256' }]) {
      const jwe = await seal(header).encrypt(key.key)
      await expect(open({ typ: 'writ-intent+jwt', digest: digestOf(jws), jwe })).rejects.toMatchObject({
        code: 'malformed',
      })
    }
    await expect(open({ typ: 't', digest: digestOf(jws), jwe: 'rubbish' })).rejects.toMatchObject({ code: 'malformed' })
  })

  test('in the clear must be the message that its event names too', async () => {
    const document = { typ: 'writ-intent+jwt', digest: digestOf(jws), jws }
    expect(await open(document, {})).toEqual({ state: 'open', jws })
    await expect(open({ ...document, digest: digestOf('a.b.c') })).rejects.toMatchObject({ code: 'chain_broken' })
  })
})

describe('subject keys', () => {
  const secret = randomBytes(32)
  const openKeys = (store: SubjectKeyStore, region = 'r1') => SubjectKeys.open(wrappingKeyOf(secret), store, region)

  test('are one for each user and quarter, the same after a restart, and stored wrapped only', async () => {
    const store = new MemoryStore()
    const keys = await openKeys(store)
    const jane = await keys.keyOf('jane', october)
    expect(await unwrapSubjectKeys(wrappingKeyOf(secret), 'r1', store.values)).toEqual([jane])
    expect(await keys.keyOf('jane', Date.UTC(2026, 11, 31, 23, 59))).toEqual(jane)
    expect((await keys.keyOf('jane', Date.UTC(2027, 0, 1))).key).not.toEqual(jane.key)
    expect((await keys.keyOf('joe', october)).key).not.toEqual(jane.key)
    expect(await (await openKeys(store)).keyOf('jane', october)).toEqual(jane)
    for (const wrapped of store.values.values()) {
      expect(Buffer.from(wrapped).includes(Buffer.from(jane.key))).toBe(false)
    }
  })

  test('have ids that name nobody and that a key store takes as they are', async () => {
    const keys = await openKeys(new MemoryStore())
    const id = keys.keyId('jane@plant.example', october)
    expect(id).toMatch(/^u-[A-Za-z0-9_-]{22}-2026q4$/)
    expect(id).toContain(keys.pseudonym('jane@plant.example').slice(2))
    expect((await keys.recordsKey()).kid).toBe('records')
  })

  test('give a user one pseudonym in a region and another elsewhere', async () => {
    const keys = await openKeys(new MemoryStore())
    expect(keys.pseudonym('jane')).toMatch(/^p:[A-Za-z0-9_-]{22}$/)
    expect(keys.pseudonym('jane')).not.toBe(keys.pseudonym('Jane'))
    expect((await openKeys(new MemoryStore(), 'r2')).pseudonym('jane')).not.toBe(keys.pseudonym('jane'))
  })

  test('of two replicas that make one at once are the same key', async () => {
    const store = new MemoryStore()
    const [a, b] = await Promise.all([openKeys(store), openKeys(store)])
    const [one, other] = await Promise.all([a.keyOf('jane', october), b.keyOf('jane', october)])
    expect(one).toEqual(other)
    expect(store.values.size).toBe(1)
  })

  test('that are wrapped for another id, under another wrapping key, or damaged do not open', async () => {
    const store = new MemoryStore()
    const keys = await openKeys(store)
    await keys.keyOf('jane', october)
    const [[id, wrapped]] = [...store.values] as [[string, Uint8Array]]
    store.values.set(keys.keyId('joe', october), wrapped)
    await expect(keys.keyOf('joe', october)).rejects.toMatchObject({ code: 'unavailable' })
    const other = await SubjectKeys.open(wrappingKeyOf(randomBytes(32)), store, 'r1')
    await expect(other.recordsKey()).resolves.toBeDefined()
    await expect(wrappingKeyOf(randomBytes(32)).unwrap(`r1/${id}`, wrapped)).rejects.toMatchObject({
      code: 'unavailable',
    })
    await expect(wrappingKeyOf(secret).unwrap(`r1/${id}`, wrapped.subarray(1))).rejects.toMatchObject({
      code: 'unavailable',
    })
  })

  test('that the store could not give are asked for again the next time', async () => {
    const store = new MemoryStore()
    const get = store.get.bind(store)
    store.get = () => Promise.reject(new Error('timeout'))
    const keys = await openKeys(store)
    await expect(keys.keyOf('jane', october)).rejects.toThrow('timeout')
    store.get = get
    await expect(keys.keyOf('jane', october)).resolves.toBeDefined()
  })
})

describe('files', () => {
  let dir: string
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'writ-documents-'))
  })
  afterEach(() => rm(dir, { recursive: true, force: true }))

  test('a wrapping key is 32 bytes that nobody else may read, or nothing', async () => {
    const path = join(dir, 'wrap.key')
    await writeFile(path, randomBytes(32), { mode: 0o600 })
    await openWrappingKey(`file:${path}`)
    await writeFile(join(dir, 'open.key'), randomBytes(32), { mode: 0o644 })
    await writeFile(join(dir, 'short.key'), randomBytes(31), { mode: 0o600 })
    for (const reference of ['open.key', 'short.key', 'no.key'].map((name) => `file:${join(dir, name)}`)) {
      await expect(openWrappingKey(reference)).rejects.toMatchObject({ code: 'unavailable' })
    }
    for (const reference of ['kms:', 'kms:not a key', 'kms:arn:aws:s3:::bucket', 'vault:x'])
      await expect(openWrappingKey(reference), reference).rejects.toMatchObject({ code: 'malformed' })
  })

  test('subject keys come back from their file, which is for its owner alone', async () => {
    const path = join(dir, 'keys.json')
    const other = { kid: 'records', key: randomBytes(32) }
    await writeSubjectKeysFile(path, [key, other])
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    const keys = await readSubjectKeysFile(path)
    expect([...keys].map(([kid, bytes]) => [kid, Buffer.from(bytes)])).toEqual([
      ['k1', key.key],
      ['records', other.key],
    ])
  })

  test.each([
    ['nothing', ''],
    ['no set', '[]'],
    ['a public key', '{"keys":[{"kty":"EC","kid":"a"}]}'],
    ['a short key', '{"keys":[{"kty":"oct","kid":"a","k":"AAAA"}]}'],
    ['a number', '{"keys":[1]}'],
    ['a key twice', `{"keys":${JSON.stringify([1, 2].map(() => ({ kty: 'oct', kid: 'a', k: 'A'.repeat(43) })))}}`],
  ])('refuses %s as subject keys', (_, text) => {
    expect(() => parseSubjectKeys(Buffer.from(text))).toThrow(expect.objectContaining({ code: 'malformed' }) as Error)
  })
})
