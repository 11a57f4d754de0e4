import { createServer, type Server, type ServerResponse } from 'node:http'
import { DeleteObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import { openS3Client, openStore, parseS3Url, S3Store } from '@writ/worm-store'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { describeStore } from '../packages/worm-store/src/testing/store-conformance.ts'
import { had, titled } from './support/needs.ts'
import { type S3Kind, startS3, type TestS3 } from './support/s3.ts'
import { type S3FaultProxy, startS3FaultProxy } from './support/s3-fault-proxy.ts'

// The S3 adapter on real servers: the suite that every store passes, and what somebody else who may write to the bucket can do to it.

const bytes = (text: string): Uint8Array => Buffer.from(text)
const text = (value: Uint8Array | undefined): string | undefined => value && Buffer.from(value).toString()
const unavailable = (sentence: RegExp) =>
  expect.objectContaining({ code: 'unavailable', message: expect.stringMatching(sentence) })
const inDays = (days: number): Date => new Date(Date.now() + days * 86_400_000)
async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}
const BUCKET = 'evidence'
let stores = 0
afterEach(() => vi.unstubAllEnvs())

const KINDS: readonly S3Kind[] = ['versitygw', 'minio']
for (const kind of KINDS) {
  const server = await had(kind as 'versitygw' | 'minio')
  describe.skipIf(server.missing !== undefined)(titled(`S3 of ${kind}`, server), () => {
    let s3: TestS3
    let raw: S3Client
    beforeAll(async () => {
      s3 = await startS3(kind)
      raw = s3.client()
      await s3.createBucket(BUCKET)
    })
    afterAll(() => s3?.stop())
    const prefix = (): string => `store-${stores++}`
    const open = (at: string): Promise<S3Store> => S3Store.open({ bucket: BUCKET, prefix: at }, { client: s3.client() })

    describeStore({
      name: `a bucket of ${kind}`,
      rounds: 20,
      open: async () => {
        const at = prefix()
        return { store: await open(at), second: await open(at), now: () => new Date(), close: async () => undefined }
      },
    })

    describe('whatever somebody else puts on top', () => {
      const put = (Key: string, body: string) =>
        raw.send(new PutObjectCommand({ Bucket: BUCKET, Key, Body: body, ContentLength: body.length }))
      const mark = (Key: string) => raw.send(new DeleteObjectCommand({ Bucket: BUCKET, Key }))
      const hide: Readonly<Record<string, (key: string) => Promise<unknown>>> = {
        'a later version': (key) => put(key, 'forged'),
        'a delete marker': mark,
        'a delete marker and a later version': async (key) => {
          await mark(key)
          await put(key, 'forged')
        },
        'five versions and markers': async (key) => {
          for (let n = 0; n < 5; n++) {
            await put(key, `forged ${n}`)
            await mark(key)
          }
        },
      }

      test.each(Object.keys(hide))('reads, lists and compares with the first version under %s', async (how) => {
        const at = prefix()
        const writer = await open(at)
        expect(await writer.put('log/seals/1', bytes('first'), inDays(31))).toBe('stored')
        await hide[how]?.(`${at}/log/seals/1`)
        // One that wrote it, one that lists before, one that knows nothing.
        const [lister, stranger] = [await open(at), await open(at)]
        expect(await all(lister.list('log/seals/'))).toEqual(['1'])
        for (const store of [writer, lister, stranger]) {
          expect(text(await store.get('log/seals/1'))).toBe('first')
          expect(await store.put('log/seals/1', bytes('forged'), inDays(31))).toBe('conflict')
          expect(await store.put('log/seals/1', bytes('first'), inDays(31))).toBe('stored')
          expect(text(await store.get('log/seals/1'))).toBe('first')
        }
      })

      test('reads the first version under one that nobody could hold in memory, or may read', async () => {
        const at = prefix()
        const store = await open(at)
        await store.put('log/a', bytes('first'), inDays(31))
        await raw.send(new PutObjectCommand({ Bucket: BUCKET, Key: `${at}/log/a`, Body: Buffer.alloc(65 * 2 ** 20) }))
        const stranger = await open(at)
        expect(text(await stranger.get('log/a'))).toBe('first')
        await expect(stranger.current('log/a')).rejects.toEqual(unavailable(/has 68157440 bytes/))
        expect(text(await stranger.get('log/a'))).toBe('first')
      })

      test('shows the newest checkpoint below a delete marker, and replaces it where S3 allows that', async () => {
        const at = prefix()
        const store = await open(at)
        await store.replace('log/checkpoint', bytes('1'), undefined, inDays(31))
        await store.replace('log/checkpoint', bytes('2'), (await store.current('log/checkpoint'))?.etag, inDays(31))
        await mark(`${at}/log/checkpoint`)
        const shown = await store.current('log/checkpoint')
        expect(text(shown?.bytes)).toBe('2')
        expect(await store.replace('log/checkpoint', bytes('first'), undefined, inDays(31))).toBe('conflict')
        expect(await store.replace('log/checkpoint', bytes('3'), 'another', inDays(31))).toBe('conflict')
        const replaced = await store.replace('log/checkpoint', bytes('3'), shown?.etag, inDays(31))
        expect(replaced).toBe('replaced')
        expect((await all(store.versions('log/checkpoint'))).map(text)).toEqual(['1', '2', '3'])
      })

      test('lists a key with more versions than S3 puts on one page, and reads its first', async () => {
        const at = prefix()
        const store = await open(at)
        await store.put('log/a', bytes('first'), inDays(31))
        await store.put('log/b', bytes('other'), inDays(31))
        for (let n = 0; n < 1050; n += 50)
          await Promise.all(Array.from({ length: 50 }, (_, i) => put(`${at}/log/a`, `forged ${n + i}`)))
        const stranger = await open(at)
        expect(text(await stranger.get('log/a'))).toBe('first')
        const lister = await open(at)
        expect(await all(lister.list('log/'))).toEqual(['a', 'b'])
        expect(text(await lister.get('log/a'))).toBe('first')
        expect(text(await lister.get('log/b'))).toBe('other')
      })

      test('passes over what is no key of a store', async () => {
        const at = prefix()
        await put(`${at}/log/.hidden`, 'x')
        await put(`${at}/log/with space`, 'x')
        const store = await open(at)
        await store.put('log/a', bytes('a'), inDays(31))
        expect(await all(store.list('log/'))).toEqual(['a'])
      })
    })

    describe('a write whose answer is lost', () => {
      let proxy: S3FaultProxy
      beforeAll(async () => {
        proxy = await startS3FaultProxy(s3.endpoint)
      })
      afterAll(() => proxy?.[Symbol.asyncDispose]())
      const behind = (at: string): Promise<S3Store> =>
        S3Store.open({ bucket: BUCKET, prefix: at }, { client: s3.client(proxy.url) })
      const lostOnce = (): void => proxy.spoil((n) => (n === 1 ? 'done, answer lost' : 'none'))

      test('put: tried again, it is stored, once', async () => {
        const at = prefix()
        const store = await behind(at)
        lostOnce()
        expect(await store.put('log/a', bytes('a'), inDays(31))).toBe('stored')
        expect(proxy.spoilt()).toEqual({ 'done, answer lost': 1 })
        expect(await all((await open(at)).versions('log/a'))).toHaveLength(1)
      })

      test('replace: the writer knows its own version, and nobody else takes it for theirs', async () => {
        const at = prefix()
        const [store, other] = [await behind(at), await open(at)]
        proxy.spoil('none')
        await store.replace('log/checkpoint', bytes('1'), undefined, inDays(31))
        const etag = (await store.current('log/checkpoint'))?.etag
        lostOnce()
        expect(await store.replace('log/checkpoint', bytes('2'), etag, inDays(31))).toBe('replaced')
        expect(await other.replace('log/checkpoint', bytes('2 too'), etag, inDays(31))).toBe('conflict')
        expect(await other.replace('log/checkpoint', bytes('2'), etag, inDays(31))).toBe('conflict')
        expect((await all(store.versions('log/checkpoint'))).map(text)).toEqual(['1', '2'])
      })

      test('and every other one: unavailable, and the same put again settles it', async () => {
        const at = prefix()
        const store = await behind(at)
        proxy.spoil('done, answer lost')
        await expect(store.put('log/a', bytes('a'), inDays(31))).rejects.toEqual(
          unavailable(/PutObject of .*: no answer/),
        )
        proxy.spoil('none')
        expect(await store.put('log/a', bytes('other'), inDays(31))).toBe('conflict')
        expect(await store.put('log/a', bytes('a'), inDays(31))).toBe('stored')
      })
    })

    test('is opened by its URL with the SDK’s own variables, and the endpoint is asked by path', async () => {
      for (const [name, value] of Object.entries(s3.env)) vi.stubEnv(name, value)
      const at = prefix()
      const store = await openStore(`s3://${BUCKET}/${at}/`)
      expect(store.name).toBe(`s3://${BUCKET}/${at}`)
      expect(await store.put('log/a', bytes('a'), inDays(31))).toBe('stored')
      expect(text(await (await open(at)).get('log/a'))).toBe('a')
    })

    test('refuses a bucket that does not lock or keep versions, and one that is not there, with what S3 says', async () => {
      await s3.createBucket('unlocked', { objectLock: false })
      for (const bucket of ['unlocked', 'missing']) {
        const store = await S3Store.open({ bucket, prefix: 'log' }, { client: s3.client() })
        await expect(store.put('a', bytes('a'), inDays(31))).rejects.toEqual(
          unavailable(new RegExp(`^PutObject of s3://${bucket}/log/a failed: \\w+, 4\\d\\d\\.$`)),
        )
      }
      const missing = await S3Store.open({ bucket: 'missing', prefix: 'log' }, { client: s3.client() })
      for (const ask of [
        () => missing.get('a'),
        () => missing.current('a'),
        () => missing.held('a'),
        () => all(missing.list('')),
      ])
        await expect(ask()).rejects.toEqual(unavailable(/s3:\/\/missing.*NoSuchBucket, 404/))
    })

    test('never says a credential', async () => {
      for (const [name, value] of Object.entries(s3.env)) vi.stubEnv(name, value)
      vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'wrong-secret-of-the-test')
      const store = await openStore(`s3://${BUCKET}/log`)
      const error: unknown = await store.get('a').catch((fault: unknown) => fault)
      expect(error).toEqual(unavailable(/failed: SignatureDoesNotMatch, 403/))
      const { inspect } = await import('node:util')
      expect(inspect(error, { depth: 9, showHidden: true })).not.toMatch(/wrong-secret|writ-test/)
    })
  })
}

describe('a server that answers wrongly', () => {
  const servers: Server[] = []
  afterAll(() => {
    for (const server of servers) server.close()
  })
  const store = async (answer: Parameters<typeof createServer>[1]): Promise<S3Store> => {
    const server = createServer(answer).listen(0, '127.0.0.1')
    servers.push(server)
    await new Promise((listening) => server.once('listening', listening))
    const { port } = server.address() as { readonly port: number }
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'a')
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'b')
    vi.stubEnv('AWS_ENDPOINT_URL_S3', `http://127.0.0.1:${port}`)
    const options = { region: 'eusc-de-east-1', attemptsMax: 2, requestTimeoutMs: 200 }
    return await S3Store.open(parseS3Url('s3://bucket/log'), { client: await openS3Client(options) })
  }

  test.each([500, 503])('%i is tried again, within a budget, and then unavailable', async (status) => {
    let asked = 0
    const failing = await store((_, answer) => {
      asked++
      answer.writeHead(status).end()
    })
    await expect(failing.put('a', bytes('a'), inDays(31))).rejects.toEqual(
      unavailable(/PutObject of s3:\/\/bucket\/log\/a/),
    )
    expect(asked).toBe(2)
  })

  test('a conflict of conditional writes is tried again, within a budget', async () => {
    let asked = 0
    const failing = await store((_, answer) => {
      asked++
      answer.writeHead(409).end('<Error><Code>ConditionalRequestConflict</Code></Error>')
    })
    await expect(failing.put('a', bytes('a'), inDays(31))).rejects.toEqual(
      unavailable(/ConditionalRequestConflict, 409/),
    )
    expect(asked).toBeGreaterThan(2)
  })

  test('no answer is unavailable, not waited for without end', async () => {
    const silent = await store(() => undefined)
    await expect(silent.get('a')).rejects.toEqual(unavailable(/no answer, /))
  })

  test('half a body and then silence is unavailable, of an object, a list and an error alike', async () => {
    const open: ServerResponse[] = []
    const half = (answer: ServerResponse, status: number, body: string): void => {
      open.push(answer)
      answer.writeHead(status, { 'x-amz-version-id': 'v1', 'content-length': `${body.length}` })
      answer.write(body.slice(0, body.length / 2))
    }
    const kinds = ['object', 'list', 'error'] as const
    for (const kind of kinds) {
      const stalling = await store((request, answer) => {
        const list = request.url?.includes('versions') === true
        if (kind === 'error') half(answer, 403, '<Error><Code>AccessDenied</Code></Error>')
        else if (list === (kind === 'list')) half(answer, 200, list ? versions : 'a body')
        else answer.writeHead(200, { 'x-amz-version-id': 'v1' }).end(list ? versions : 'a body')
      })
      await expect(stalling.get('a'), kind).rejects.toEqual(unavailable(/failed: /))
    }
    expect(open.length).toBeGreaterThanOrEqual(kinds.length)
  })

  test('an object that is large for its line has the time for its bytes', async () => {
    const large = new Uint8Array(256 * 2 ** 10)
    const slow = await store((request, answer) => {
      if (request.method !== 'PUT') {
        answer.writeHead(500).end()
        return
      }
      // Twice the limit of a small request, and less than its bytes are given beside it.
      const late = setTimeout(() => answer.writeHead(412).end('<Error><Code>PreconditionFailed</Code></Error>'), 400)
      request.resume()
      answer.on('close', () => clearTimeout(late))
    })
    await expect(slow.put('a', large, inDays(31))).rejects.toEqual(unavailable(/ListObjectVersions/))
    await expect(slow.put('a', bytes('a'), inDays(31))).rejects.toEqual(unavailable(/PutObject .*no answer/))
  })

  const versions =
    '<ListVersionsResult><Version><Key>log/a</Key><VersionId>v1</VersionId></Version></ListVersionsResult>'
  const locked = (mode: string, days: number): Readonly<Record<string, string>> => ({
    'x-amz-object-lock-mode': mode,
    'x-amz-object-lock-retain-until-date': inDays(days).toISOString(),
  })
  test.each<[string, string, Readonly<Record<string, string>>, RegExp]>([
    ['other bytes', 'b', locked('COMPLIANCE', 40), /other bytes than were written/],
    ['no retention', 'a', {}, /not under COMPLIANCE retention/],
    ['GOVERNANCE', 'a', locked('GOVERNANCE', 40), /not under COMPLIANCE retention/],
    ['a shorter retention', 'a', locked('COMPLIANCE', 30), /not under COMPLIANCE retention/],
  ])('a write that is read back with %s does not count', async (_, body, headers, sentence) => {
    const wrong = await store((request, answer) => {
      if (request.method === 'PUT') return answer.writeHead(200, { 'x-amz-version-id': 'v1', etag: '"1"' }).end()
      if (request.url?.includes('versions')) return answer.writeHead(200).end(versions)
      if (/\?(retention|legal-hold)/.test(request.url ?? ''))
        return answer.writeHead(404).end('<Error><Code>NoSuchObjectLockConfiguration</Code></Error>')
      return answer.writeHead(200, { 'x-amz-version-id': 'v1', ...headers }).end(body)
    })
    await expect(wrong.put('a', bytes('a'), inDays(31))).rejects.toEqual(unavailable(sentence))
    if (sentence.source.includes('COMPLIANCE'))
      await expect(wrong.replace('a', bytes('a'), '"0"', inDays(31))).rejects.toEqual(unavailable(sentence))
  })
})
