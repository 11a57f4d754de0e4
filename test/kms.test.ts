import { createHash, generateKeyPairSync, sign as signHere } from 'node:crypto'
import {
  DisableKeyCommand,
  EnableKeyCommand,
  ScheduleKeyDeletionCommand,
  SignCommand,
  UpdateAliasCommand,
} from '@aws-sdk/client-kms'
import { openWrappingKey, type SubjectKeyStore, SubjectKeys, unwrapSubjectKeys } from '@writ/audit'
import {
  type CircuitState,
  type KmsKey,
  type KmsOptions,
  type KmsResult,
  openKmsWrapper,
  openSigner,
  parseJws,
  type Signer,
  signJws,
  verifies,
  verifyJws,
} from '@writ/keys'
import { compactVerify, importJWK } from 'jose'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { KMS_REGION, startKms, type TestKms } from './support/kms.ts'
import { had, titled } from './support/needs.ts'

const moto = await had('moto_server')

describe.skipIf(moto.missing !== undefined)(titled('keys in KMS', moto), () => {
  let kms: TestKms
  const arns = { ed25519: '', p256: '', other: '', symmetric: '' }
  beforeAll(async () => {
    kms = await startKms()
    arns.ed25519 = await kms.createKey('ECC_NIST_EDWARDS25519', 'alias/log')
    arns.p256 = await kms.createKey('ECC_NIST_P256', 'alias/anchor')
    arns.other = await kms.createKey('ECC_NIST_P256')
    arns.symmetric = await kms.createKey('SYMMETRIC_DEFAULT', 'alias/wrap')
  })
  beforeEach(() => {
    for (const [name, value] of Object.entries(kms.env)) vi.stubEnv(name, value)
  })
  afterEach(() => {
    kms.mend()
    vi.unstubAllEnvs()
  })
  afterAll(() => kms?.[Symbol.asyncDispose]())

  /** Quick limits, and what the observer was told. */
  function watched(limits: KmsOptions['limits'] = {}) {
    const told: KmsResult[] = []
    const circuit: CircuitState[] = []
    const observer = {
      called: (_: string, result: KmsResult) => void told.push(result),
      circuit: (state: CircuitState) => void circuit.push(state),
    }
    return { told, circuit, options: { observer, limits: { backoffMs: 1, ...limits } } }
  }
  const text = Buffer.from('to be signed')
  const idOf = (arn: string): string => arn.split('/')[1] ?? ''

  describe('that sign', () => {
    test.each(['ed25519', 'p256'] as const)('%s: an independent library verifies what they signed', async (name) => {
      const signer = await openSigner(`kms:${arns[name]}`)
      const jws = await signJws(signer, 'test+jwt', { a: 1 })
      await compactVerify(jws, await importJWK(signer.jwk, signer.alg))
      verifyJws(parseJws(jws, 4096), signer.jwk)
      expect(signer.kms).toEqual({
        arn: arns[name],
        partition: 'aws-eusc',
        region: KMS_REGION,
        account: '123456789012',
        spec: name === 'ed25519' ? 'ECC_NIST_EDWARDS25519' : 'ECC_NIST_P256',
        usage: 'SIGN_VERIFY',
        multiRegion: false,
      })
    })

    test('are found by alias, by id and by ARN, and are the same key', async () => {
      const references = ['alias/anchor', arns.p256, idOf(arns.p256)]
      const kids = await Promise.all(references.map(async (reference) => (await openSigner(`kms:${reference}`)).kid))
      expect(new Set(kids).size).toBe(1)
    })

    test('sign up to 4,096 bytes as they are; P-256 more than that by digest, Ed25519 never', async () => {
      const [ed25519, p256] = await Promise.all([openSigner('kms:alias/log'), openSigner('kms:alias/anchor')])
      for (const length of [1, 4096]) {
        const data = Buffer.alloc(length, 7)
        for (const signer of [ed25519, p256]) expect(verifies(data, await signer.sign(data), signer.jwk)).toBe(true)
      }
      const long = Buffer.alloc(100_000, 7)
      expect(verifies(long, await p256.sign(long), p256.jwk)).toBe(true)
      await expect(ed25519.sign(Buffer.alloc(4097))).rejects.toMatchObject({ code: 'too_large' })
    })

    test('an alias that comes to mean another key changes nothing for who has opened it, and all for who opens it next', async () => {
      const moved = await kms.createKey('ECC_NIST_P256', 'alias/moves')
      const before = await openSigner('kms:alias/moves')
      await kms.admin.send(new UpdateAliasCommand({ AliasName: 'alias/moves', TargetKeyId: arns.other }))
      expect(before.kms?.arn).toBe(moved)
      expect(verifies(text, await before.sign(text), before.jwk)).toBe(true)
      expect((await openSigner('kms:alias/moves')).kid).not.toBe(before.kid)
    })
  })

  describe('a KMS that returns what the key did not sign', () => {
    const forged = {
      'another key’s signature': async () => {
        const { Signature } = await kms.admin.send(
          new SignCommand({ KeyId: arns.other, Message: text, MessageType: 'RAW', SigningAlgorithm: 'ECDSA_SHA_256' }),
        )
        return Buffer.from(Signature ?? []).toString('base64')
      },
      'a signature of other words': async () => {
        const { Signature } = await kms.admin.send(
          new SignCommand({
            KeyId: arns.p256,
            Message: Buffer.from('x'),
            MessageType: 'RAW',
            SigningAlgorithm: 'ECDSA_SHA_256',
          }),
        )
        return Buffer.from(Signature ?? []).toString('base64')
      },
      'a signature of a key made here': async () => {
        const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
        return signHere('sha256', text, privateKey).toString('base64')
      },
      'bytes that are no DER': async () => Buffer.from('garbage').toString('base64'),
      'the 64 bytes of JWS instead of DER': async () => Buffer.alloc(64, 1).toString('base64'),
      'an empty signature': async () => '',
      nothing: async () => undefined,
    }
    test.each(Object.entries(forged))('%s: it is refused, counted and never asked for again', async (_, make) => {
      const { told, options } = watched()
      const signer = await openSigner('kms:alias/anchor', options)
      const Signature = await make()
      const before = kms.asked('Sign')
      kms.spoil('Sign', (answer) => ({ ...answer, Signature }))
      await expect(signer.sign(text)).rejects.toMatchObject({ code: 'bad_signature' })
      expect(kms.asked('Sign') - before).toBe(1)
      expect(told.at(-1)).toBe('wrong')
      kms.mend()
      expect(verifies(text, await signer.sign(text), signer.jwk)).toBe(true)
    })

    test('of Ed25519: one bit is enough', async () => {
      const signer = await openSigner('kms:alias/log')
      kms.spoil('Sign', ({ Signature, ...answer }) => {
        const bytes = Buffer.from(String(Signature), 'base64')
        bytes[63] = (bytes[63] ?? 0) ^ 1
        return { ...answer, Signature: bytes.toString('base64') }
      })
      await expect(signer.sign(text)).rejects.toMatchObject({ code: 'bad_signature' })
    })

    test('or another public key: what it signs does not verify, and a pin would not match', async () => {
      const right = await openSigner('kms:alias/anchor')
      const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      const PublicKey = publicKey.export({ format: 'der', type: 'spki' }).toString('base64')
      kms.spoil('GetPublicKey', (answer) => ({ ...answer, PublicKey }))
      const signer = await openSigner('kms:alias/anchor')
      expect(signer.kid).not.toBe(right.kid)
      await expect(signer.sign(text)).rejects.toMatchObject({ code: 'bad_signature' })
    })
  })

  describe('refuse to be opened', () => {
    const malformed = (words: string) => ({ code: 'malformed', message: expect.stringContaining(words) as string })

    test('as what they are not', async () => {
      await expect(openSigner('kms:alias/wrap')).rejects.toMatchObject(malformed('ENCRYPT_DECRYPT'))
      await expect(openKmsWrapper('kms:alias/anchor')).rejects.toMatchObject(malformed('SIGN_VERIFY'))
      for (const spec of ['RSA_2048', 'ECC_NIST_P384', 'ECC_SECG_P256K1'] as const)
        await expect(openSigner(`kms:${await kms.createKey(spec)}`)).rejects.toMatchObject(malformed(spec))
    })

    test('where they are not: another region, another alias, a region that is not the one asked', async () => {
      const elsewhere = arns.p256.replace('arn:aws-eusc:kms:eusc-de-east-1', 'arn:aws:kms:us-east-1')
      for (const reference of [elsewhere, 'alias/nobody', arns.p256.replace(/key\/.{8}/, 'key/00000000')])
        await expect(openSigner(`kms:${reference}`), reference).rejects.toMatchObject({ code: 'malformed' })
      kms.spoil('DescribeKey', (answer) => {
        const metadata = answer['KeyMetadata'] as Record<string, unknown>
        return { KeyMetadata: { ...metadata, Arn: elsewhere } }
      })
      await expect(openSigner('kms:alias/anchor')).rejects.toMatchObject(malformed('us-east-1'))
    })

    test('where whoever opens them says no', async () => {
      const asked: string[] = []
      const accept = ({ region, partition, multiRegion }: KmsKey): void => {
        asked.push(`${partition} ${region} ${multiRegion}`)
        throw new Error('not here')
      }
      for (const open of [openSigner('kms:alias/anchor', { accept }), openKmsWrapper('kms:alias/wrap', { accept })])
        await expect(open).rejects.toThrow('not here')
      expect(asked).toEqual(['aws-eusc eusc-de-east-1 false', 'aws-eusc eusc-de-east-1 false'])
    })

    test('without a region', async () => {
      vi.stubEnv('AWS_REGION', undefined)
      vi.stubEnv('AWS_CONFIG_FILE', '/nonexistent')
      await expect(openSigner('kms:alias/anchor')).rejects.toMatchObject(malformed('AWS_REGION'))
    })

    test('disabled, or when they wait to be deleted', async () => {
      const [off, doomed] = [await kms.createKey('ECC_NIST_P256'), await kms.createKey('ECC_NIST_P256')]
      await kms.admin.send(new DisableKeyCommand({ KeyId: idOf(off) }))
      await kms.admin.send(new ScheduleKeyDeletionCommand({ KeyId: idOf(doomed), PendingWindowInDays: 7 }))
      for (const arn of [off, doomed])
        await expect(openSigner(`kms:${arn}`)).rejects.toMatchObject({
          code: 'unavailable',
          message: expect.stringContaining('not enabled'),
        })
    })
  })

  describe('a KMS in trouble', () => {
    test('throttles twice: the third attempt signs', async () => {
      const { told, options } = watched()
      const signer = await openSigner('kms:alias/anchor', options)
      kms.spoil('Sign', 'throttles', 2)
      expect(verifies(text, await signer.sign(text), signer.jwk)).toBe(true)
      expect(told.slice(-3)).toEqual(['retried', 'retried', 'ok'])
    })

    const impatient = { attemptTimeoutMs: 300, attemptsMax: 2, failuresMax: 4, openMs: 50, openMsMax: 50 }
    /** A signer that does not wait long; a machine that is busy just now may need more than one try to open it. */
    const opened = (options: KmsOptions): Promise<Signer> =>
      vi.waitFor(() => openSigner('kms:alias/anchor', options), 30_000)

    test.each(['fails', 'throttles', 'garbage', 'hangs'] as const)(
      'that %s for long is given up, then left alone, then tried once',
      async (fault) => {
        const { circuit, options } = watched(impatient)
        const signer = await opened(options)
        kms.spoil('Sign', fault)
        const before = kms.asked('Sign')
        for (let n = 0; n < 2; n++) await expect(signer.sign(text)).rejects.toMatchObject({ code: 'unavailable' })
        expect(kms.asked('Sign') - before).toBe(4)
        expect(circuit.at(-1)).toBe('open')
        kms.mend()
        await vi.waitFor(async () => expect(await signer.sign(text)).toHaveLength(64), 30_000)
        expect(circuit.slice(-2)).toEqual(['half-open', 'closed'])
      },
    )

    test('that is gone and comes back: the same signer goes on', async () => {
      const signer = await opened(watched(impatient).options)
      kms.server.pause()
      await expect(signer.sign(text)).rejects.toMatchObject({ code: 'unavailable' })
      kms.server.resume()
      await vi.waitFor(async () => expect(await signer.sign(text)).toHaveLength(64), 30_000)
    })

    test('says that a key was disabled in the middle, and signs again once it is enabled', async () => {
      const arn = await kms.createKey('ECC_NIST_P256')
      const { told, options } = watched({ failuresMax: 1 })
      const signer = await openSigner(`kms:${arn}`, options)
      await signer.sign(text)
      await kms.admin.send(new DisableKeyCommand({ KeyId: idOf(arn) }))
      for (let n = 0; n < 3; n++)
        await expect(signer.sign(text)).rejects.toMatchObject({
          code: 'unavailable',
          message: expect.stringContaining('it is disabled'),
        })
      expect(told.slice(-3)).toEqual(['refused', 'refused', 'refused'])
      await kms.admin.send(new EnableKeyCommand({ KeyId: idOf(arn) }))
      expect(await signer.sign(text)).toHaveLength(64)
    })

    test('names neither credentials nor accounts in what it throws', async () => {
      const signer = await openSigner(`kms:${arns.p256}`, watched({ attemptsMax: 1 }).options)
      const faults = ['fails', 'throttles', 'garbage'] as const
      for (const fault of faults) {
        kms.spoil('Sign', fault)
        const error = await Promise.resolve(signer.sign(text)).catch((thrown: unknown) => thrown as Error)
        const kept = [String(error), String((error as Error).cause), JSON.stringify((error as Error).cause)].join(' ')
        for (const secret of ['AKIDTEST', 'a-secret-of-the-tests', '123456789012'])
          expect(kept, fault).not.toContain(secret)
      }
    })
  })

  describe('that wrap', () => {
    const secret = createHash('sha256').update('a subject key').digest()

    test('open under the name they wrapped for, and under no other', async () => {
      const wrapper = await openKmsWrapper('kms:alias/wrap')
      const wrapped = await wrapper.wrap('r1/u-a', secret)
      expect(Buffer.from(wrapped).includes(secret)).toBe(false)
      expect(Buffer.from(await wrapper.unwrap('r1/u-a', wrapped))).toEqual(secret)
      await expect(wrapper.unwrap('r1/u-b', wrapped)).rejects.toMatchObject({ code: 'unavailable' })
      await expect(wrapper.unwrap('r1/u-a', wrapped.subarray(1))).rejects.toMatchObject({ code: 'unavailable' })
      const other = await openKmsWrapper(`kms:${await kms.createKey('SYMMETRIC_DEFAULT')}`)
      await expect(other.unwrap('r1/u-a', wrapped)).rejects.toMatchObject({ code: 'unavailable' })
    })

    test('hand out nothing that was not opened once: a wrapped key that KMS could not open again is lost', async () => {
      const wrapper = await openKmsWrapper('kms:alias/wrap')
      kms.spoil('Encrypt', ({ CiphertextBlob, ...answer }) => {
        const bytes = Buffer.from(String(CiphertextBlob), 'base64')
        bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
        return { ...answer, CiphertextBlob: bytes.toString('base64') }
      })
      await expect(wrapper.wrap('r1/u-a', secret)).rejects.toMatchObject({ code: 'unavailable' })
      kms.mend()
      kms.spoil('Decrypt', (answer) => ({ ...answer, Plaintext: Buffer.alloc(32).toString('base64') }))
      await expect(wrapper.wrap('r1/u-a', secret)).rejects.toMatchObject({ code: 'unavailable' })
    })
  })

  describe('that wrap the subject keys', () => {
    const october = Date.UTC(2026, 9, 1)
    class MemoryStore implements SubjectKeyStore {
      readonly values = new Map<string, Uint8Array>()
      async get(keyId: string): Promise<Uint8Array | undefined> {
        return this.values.get(keyId)
      }
      async create(keyId: string, wrapped: Uint8Array): Promise<boolean> {
        if (this.values.has(keyId)) return false
        this.values.set(keyId, wrapped)
        return true
      }
    }
    const open = async (store: SubjectKeyStore, options: KmsOptions = {}): Promise<SubjectKeys> =>
      SubjectKeys.open(await openWrappingKey('kms:alias/wrap', { store, kms: options }), store, 'r1')

    test('give each user one pseudonym and one key, the same for two replicas that start at once and after a restart', async () => {
      const store = new MemoryStore()
      const [a, b] = await Promise.all([open(store), open(store)])
      const [one, two] = await Promise.all([a.keyOf('jane', october), b.keyOf('jane', october)])
      expect(one).toEqual(two)
      expect(a.pseudonym('jane')).toBe(b.pseudonym('jane'))
      const later = await open(store)
      expect(later.pseudonym('jane')).toBe(a.pseudonym('jane'))
      expect(await later.keyOf('jane', october)).toEqual(one)
      expect([...store.values.keys()].toSorted()).toEqual(['derivation', one.kid])
      for (const wrapped of store.values.values())
        expect(Buffer.from(wrapped).includes(Buffer.from(one.key))).toBe(false)
      const other = await open(new MemoryStore())
      expect(other.pseudonym('jane'), 'another store has another secret').not.toBe(a.pseudonym('jane'))
    })

    test('hand an auditor the subject keys, and not the secret behind the pseudonyms', async () => {
      const store = new MemoryStore()
      const keys = await open(store)
      const jane = await keys.keyOf('jane', october)
      const wrapping = await openWrappingKey('kms:alias/wrap')
      expect(await unwrapSubjectKeys(wrapping, 'r1', store.values)).toEqual([jane])
      await expect(wrapping.derive('pseudonym.r1')).rejects.toMatchObject({ code: 'unavailable' })
    })

    test('open under the id they were made for only', async () => {
      const store = new MemoryStore()
      const keys = await open(store)
      const { kid } = await keys.keyOf('jane', october)
      store.values.set(keys.keyId('joe', october), store.values.get(kid) as Uint8Array)
      await expect(keys.keyOf('joe', october)).rejects.toMatchObject({ code: 'unavailable' })
      store.values.set('derivation', store.values.get(kid) as Uint8Array)
      await expect(open(store)).rejects.toMatchObject({ code: 'unavailable' })
    })

    test('while KMS is away: who is known goes on, who is new is refused, and neither is written in the clear', async () => {
      const store = new MemoryStore()
      const keys = await open(store, watched({ failuresMax: 99 }).options)
      const jane = await keys.keyOf('jane', october)
      for (const operation of ['Encrypt', 'Decrypt'] as const) kms.spoil(operation, 'fails')
      expect(await keys.keyOf('jane', october)).toEqual(jane)
      await expect(keys.keyOf('joe', october)).rejects.toMatchObject({ code: 'unavailable' })
      expect(store.values.size).toBe(2)
      kms.mend()
      expect((await keys.keyOf('joe', october)).key).toHaveLength(32)
    })
  })
})
