import { chmod, cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateJwk, signerOf } from '@writ/keys'
import type { ObjectRetention } from '@writ/worm-store'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { formatNote, formatVkey } from '../core/note.ts'
import { tilePath } from '../core/tiles.ts'
import { parseTlogPolicy } from '../core/tlog-policy.ts'
import { cosignerVerifier, type NoteSigner, noteSignerOf } from '../log/note-signer.ts'
import { auditEvent } from '../source/events.ts'
import {
  filing,
  heartbeats,
  keys,
  type Message,
  ORIGIN,
  type Plant,
  type PlantOptions,
  pins,
  plant,
  START,
  seal,
  TestSource,
  vkeys,
} from '../testing/plant-log.ts'
import { directoryReader, type LogReader } from './log-reader.ts'
import { MEANINGS, VERDICTS, type Verdict } from './verdicts.ts'
import { type LogVerification, type VerifyOptions, verifyLog } from './verify-log.ts'

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'writ-verdicts-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

const verify = (over: Partial<VerifyOptions> = {}): Promise<LogVerification> =>
  verifyLog({ reader: directoryReader(dir), vkeys, pins, complete: true, ...over })

const LATER = 'audit.example/eusc-de-east-1/2027h1'
const file = (path: string, origin = ORIGIN) => join(dir, origin, path)
const meta = (path: string, origin = ORIGIN) => join(dir, `${origin}.meta`, path)

async function edit(path: string, change: (bytes: Buffer) => Uint8Array | string): Promise<void> {
  await chmod(path, 0o600)
  await writeFile(path, change(await readFile(path)))
}
const flipped = (bytes: Buffer, at: number): Buffer => {
  const copy = Buffer.from(bytes)
  copy[at] = (copy[at] as number) ^ 1
  return copy
}
const flip = (path: string, at = 100): Promise<void> => edit(path, (bytes) => flipped(bytes, at))
const one = async (folder: string): Promise<string> => join(folder, (await readdir(folder)).sort()[0] ?? '')

/** A log of two seals with one whole plant in it, 20 leaves; `more` comes last. */
async function log(
  options: PlantOptions = {},
  more: (made: Plant) => Promise<readonly Message[]> = async () => [],
): Promise<Plant> {
  const made = await plant(options)
  await seal(dir, made.opening, [made.messages.slice(0, 8)])
  // The log was opened by now: what its sink says after that comes after that.
  await seal(dir, made.opening, [[...made.messages, ...(await more(made))]])
  return made
}

/** The same, and a log of the next epoch that goes on from it. */
async function twoLogs(): Promise<void> {
  const made = await plant()
  const opening = async (detail: object) => {
    const from = START + ('predecessor' in detail ? 30 : 0)
    const event = auditEvent('log.opened', { detail: { ...detail } as never })
    return (await (made.sources['audit-sink'] as TestSource).message('opened', from, [event])).body
  }
  await seal(dir, opening, [made.messages])
  const more = await heartbeats(made.sources['gateway'] as TestSource, 3, START + 40)
  await seal(dir, opening, [[...made.messages, ...more]], { now: new Date('2027-01-02T00:00:00Z') })
}

/** Sources that go on for so many minutes after the plant, a message each. */
async function goOn(sources: Plant['sources'], minutes: number, ...names: readonly string[]): Promise<Message[]> {
  const made: Message[] = []
  for (let minute = 1; minute <= minutes; minute++)
    for (const name of names) made.push(...(await heartbeats(sources[name] as TestSource, 1, START + 60 * minute)))
  return made
}

/** Locks as the store wrote them: DirectoryStore keeps the end of retention as the file's time. `over`: what else the storage says. */
function locked(over: (key: string) => Partial<ObjectRetention> = () => ({})): LogReader {
  const reader = directoryReader(dir)
  return {
    ...reader,
    retention: async (key) => {
      const { mtime } = await stat(join(dir, key))
      return { mode: 'COMPLIANCE', until: mtime, hold: false, storedAt: new Date(START * 1000), ...over(key) }
    },
  }
}
const now = new Date((START + 60) * 1000)

/** How each verdict comes about, in a log that was otherwise made and signed as any. */
const WAYS: Readonly<Record<Verdict | 'ok', () => Promise<Partial<VerifyOptions>>>> = {
  ok: async () => {
    await log()
    return { reader: locked(), retention: { days: 190, now } }
  },
  entry_altered: async () => {
    await log()
    await flip(file('tile/entries/000.p/20'), 5000)
    return {}
  },
  entry_missing: async () => {
    await log()
    await rm(file('tile/entries/000.p/20'))
    return {}
  },
  tile_altered: async () => {
    await log()
    await flip(file('tile/0/000.p/20'))
    return {}
  },
  tile_missing: async () => {
    await log()
    await rm(file('tile/0/000.p/20'))
    return {}
  },
  checkpoint_forged: async () => {
    await log()
    const note = (await readFile(file('checkpoint'))).toString()
    const text = note.slice(0, note.indexOf('\n\n') + 1)
    const line = { verifier: keys.otherLog.verifier(ORIGIN), signature: await keys.otherLog.sign(text) }
    await edit(file('checkpoint'), () => formatNote(text, [line]))
    return {}
  },
  checkpoint_missing: async () => {
    await log()
    await rm(await one(meta('checkpoints')))
    return {}
  },
  checkpoint_rolled_back: async () => {
    await log()
    const known = [await readFile(file('checkpoint'))]
    const [first = '', second = ''] = (await readdir(meta('checkpoints'))).sort()
    await edit(file('checkpoint'), () => '')
    await cp(meta(`checkpoints/${first}`), file('checkpoint'))
    await rm(meta(`checkpoints/${second}`))
    for (const name of (await readdir(meta('seals'))).sort().slice(1)) await rm(meta(`seals/${name}`))
    await rm(join(dir, '.versions'), { recursive: true })
    return { known }
  },
  history_forked: async () => {
    // What the log's owner showed to somebody else: the same size, signed with the same key, other entries.
    await log()
    const known = [await readFile(file('checkpoint'))]
    await rm(dir, { recursive: true })
    await log({ at: { 'gateway started': 9 } })
    return { known }
  },
  not_witnessed: async () => {
    await log()
    const { jwk } = signerOf(generateJwk('EdDSA'))
    const witness = formatVkey(cosignerVerifier('witness.example/w1', jwk))
    return { policy: parseTlogPolicy(`witness w1 ${witness}\nquorum w1\n`) }
  },
  history_missing: async () => {
    await twoLogs()
    await rm(join(dir, ORIGIN), { recursive: true })
    await rm(join(dir, `${ORIGIN}.meta`), { recursive: true })
    return {}
  },
  seal_altered: async () => {
    await log()
    await flip(await one(meta('seals')), 30)
    return {}
  },
  seal_missing: async () => {
    await log()
    await rm(await one(meta('seals')))
    return {}
  },
  staging_altered: async () => {
    await log()
    await flip(await one(meta('staging')), 30)
    return {}
  },
  blob_altered: async () => {
    await twoLogs()
    await flip(await one(meta('blobs/sha256', LATER)), 30)
    return {}
  },
  blob_missing: async () => {
    await twoLogs()
    await rm(await one(meta('blobs/sha256', LATER)))
    return {}
  },
  vkey_altered: async () => {
    await log()
    await flip(meta('log.vkey'), 80)
    return {}
  },
  message_malformed: async () => {
    await log({}, async ({ messages: [first] }) => {
      const { body = '', source = '' } = first ?? {}
      const [header = '', , signature = ''] = body.split('.')
      const payload = Buffer.from(JSON.stringify({ source, seq: 90, text: 'none' })).toString('base64url')
      return [{ name: 'odd', stream: 'AUDIT', source, body: `${header}.${payload}.${signature}` }]
    })
    return {}
  },
  signature_invalid: async () => {
    await log({}, async ({ sources }) => {
      const made = (await heartbeats(sources['token-issuer'] as TestSource, 1))[0] as Message
      const [header, payload] = made.body.split('.')
      return [{ ...made, body: `${header}.${payload}.${Buffer.alloc(64, 7).toString('base64url')}` }]
    })
    return {}
  },
  key_not_endorsed: async () => {
    await log({ sign: { 'token-issuer heartbeat': keys.stranger } })
    return {}
  },
  key_expired: async () => {
    await log({ at: { 'token-issuer heartbeat': 4000 } })
    return {}
  },
  source_gap: async () => {
    await log({ lose: ['token-issuer heartbeat'] }, ({ sources }) =>
      heartbeats(sources['token-issuer'] as TestSource, 1),
    )
    return {}
  },
  source_forked: async () => {
    await log({}, async ({ sources }) => {
      const source = sources['token-issuer'] as TestSource
      source.seq -= 1
      return await heartbeats(source, 1)
    })
    return {}
  },
  source_silent: async () => {
    await log({}, ({ sources }) => goOn(sources, 5, 'intent-gateway', 'policy-evaluator', 'audit-sink'))
    return {}
  },
  out_of_role: async () => {
    await log({}, async ({ sources }) => [
      await (sources['token-issuer'] as TestSource).message('odd', START + 60, [
        auditEvent('plan.dispatched', {
          agent_id: 'a1',
          intent: 'restart',
          intent_id: 'intent-1',
          intent_digest: 'A'.repeat(43),
          gateway_id: 'g1',
          token_id: 't',
          plan_id: 'p',
          approved_by: ['policy'],
          detail: { decision_digest: 'A'.repeat(43), records: [], exp: START },
        }),
      ]),
    ])
    return {}
  },
  evidence_missing: async () => {
    await log({ omit: ['redeem'] })
    return {}
  },
  document_invalid: async () => {
    const other = (await filing('device', 'press-9', 1, null, [])).event.documents?.[0]?.digest ?? ''
    await log({
      edit: {
        decision: (events) =>
          events.map((event) => ({
            ...event,
            documents: (event.documents ?? []).map((document) => ({ ...document, digest: other })),
          })),
      },
    })
    return {}
  },
  retention_missing: async () => {
    await log()
    const seals = `${ORIGIN}.meta/seals/`
    return {
      reader: locked((key) => (key.startsWith(seals) ? { mode: 'GOVERNANCE' } : {})),
      retention: { days: 190, now },
    }
  },
  clock_regressed: async () => {
    await log({ at: { 'token-issuer heartbeat': -8 } })
    return {}
  },
}

describe('each verdict', { timeout: 30_000 }, () => {
  test.each(Object.keys(WAYS) as (Verdict | 'ok')[])('%s is given of a log in which that is so', async (verdict) => {
    const { ok, verdicts, findings } = await verify(await WAYS[verdict]())
    expect(verdicts).toContain(verdict)
    expect(ok).toBe(verdict === 'ok')
    expect(findings.some((finding) => finding.verdict === verdict)).toBe(verdict !== 'ok')
  })

  test('is documented, with its meaning and what to do', async () => {
    const text = await readFile(new URL('../../../../docs/verdicts.md', import.meta.url), 'utf8')
    const sections = new Map(
      text
        .split(/^### `/m)
        .slice(1)
        .map((section) => [section.slice(0, section.indexOf('`')), section]),
    )
    expect([...sections.keys()]).toEqual(['ok', ...VERDICTS])
    for (const [name, section] of sections) {
      expect(section, name).toContain(MEANINGS[name as Verdict])
      expect(section, name).toMatch(/^\*\*Do:\*\* \S/m)
    }
  })
})

// ---- Silence -------------------------------------------------------------------------------------------------------

describe('a source is silent', { timeout: 30_000 }, () => {
  const services = ['intent-gateway', 'policy-evaluator', 'audit-sink'] as const
  const silentIn = async () => (await verify()).findings.map(({ verdict, where }) => [verdict, where.source])

  test('after three signs of life that did not come: a service after 3 minutes, a gateway after 45', async () => {
    await log({}, ({ sources }) => goOn(sources, 3, ...services))
    expect(await silentIn()).toEqual([])
    await rm(dir, { recursive: true })
    await log({}, ({ sources }) => goOn(sources, 4, ...services))
    expect(await silentIn()).toEqual([['source_silent', 'token-issuer/i1/b1']])
    await rm(dir, { recursive: true })
    await log({}, ({ sources }) => goOn(sources, 46, ...services, 'token-issuer'))
    expect(await silentIn()).toEqual([['source_silent', 'gateway/g1/b1']])
  })

  test('not where all were: a machine that slept', async () => {
    await log({}, async ({ sources }) => heartbeats(sources['intent-gateway'] as TestSource, 3, START + 3500))
    expect(await silentIn()).toEqual([])
  })

  test('not where it said that it stopped', async () => {
    await log({}, async ({ sources }) => [
      await (sources['token-issuer'] as TestSource).message('stopped', START + 61, [auditEvent('source.stopped', {})]),
      ...(await goOn(sources, 9, ...services)),
    ])
    expect(await silentIn()).toEqual([])
  })

  test('not where a later boot of the same instance names its end', async () => {
    await log({}, async ({ sources }) => {
      const { source, seq, prev: digest = '' } = sources['token-issuer'] as TestSource
      const next = new TestSource('token-issuer/i1/b2', keys.services['token-issuer'])
      const previous = { source, seq: seq - 1, digest }
      return [
        await next.message('started', START + 500, [auditEvent('source.started', { detail: { previous } })]),
        ...(await goOn(sources, 9, ...services)),
      ]
    })
    expect(await silentIn()).toEqual([])
  })

  test('not where operators have removed the gateway', async () => {
    const forLong = async ({ sources }: Plant) => goOn(sources, 50, ...services, 'token-issuer')
    await log({}, async (made) => {
      const { event } = await filing('gateway', 'g1', 2, null, [])
      const said = await (made.sources['intent-gateway'] as TestSource).message('removed', START + 50, [event])
      return [said, ...(await forLong(made))]
    })
    expect((await verify()).verdicts).not.toContain('source_silent')
    await rm(dir, { recursive: true })
    await log({}, forLong)
    expect((await verify()).verdicts).toContain('source_silent')
  })
})

// ---- Clocks --------------------------------------------------------------------------------------------------------

describe('a clock went back', { timeout: 30_000 }, () => {
  const beat =
    (at: number, ...seconds: number[]) =>
    async ({ sources }: Plant): Promise<Message[]> => {
      const events = seconds.map((second) => ({ ...auditEvent('source.heartbeat', {}), timestamp: iso(second) }))
      const said = events.length === 0 ? [auditEvent('source.heartbeat', {})] : events
      return [await (sources['token-issuer'] as TestSource).message('beat', at, said)]
    }
  const iso = (second: number) => new Date(second * 1000).toISOString()

  test.each<[string, (made: Plant) => Promise<Message[]>, boolean]>([
    ['from one message to the next, by more than clocks are set right', beat(START + 10), true],
    ['not where they are set right by 5 s', beat(START + 12), false],
    ['within one message', beat(START + 60, START + 59, START + 50), true],
    ['where an event came after the signature', beat(START + 60, START + 70), true],
    ['not where events wait to be signed', beat(START + 60, START + 30, START + 31), false],
    ['where the first event is before the last of the message before', beat(START + 60, START + 10), true],
  ])('%s', async (_, more, regressed) => {
    // The plant's own last message of token-issuer was signed at START + 17.
    await log({}, more)
    expect((await verify()).verdicts).toEqual(regressed ? ['clock_regressed'] : ['ok'])
  })

  /** Seals the parts of a plant with a signed time each. */
  async function timed(...times: number[]): Promise<VerifyOptions['vkeys']> {
    const cosigner = signerOf(generateJwk('EdDSA'))
    const made = await plant()
    const signerAt = (time: number): NoteSigner => noteSignerOf(logKey, { signer: cosigner, nowSeconds: () => time })
    for (const [at, time] of times.entries())
      await seal(dir, made.opening, [made.messages.slice(0, 6 + 4 * at)], { signer: signerAt(time) })
    return signerAt(0).verifiers(ORIGIN)
  }
  const logKey = signerOf(generateJwk('EdDSA'))

  test('by the signed times of checkpoints, which are judged where the cosigner is pinned', async () => {
    const pinned = await timed(START, START + 60, START - 60)
    const { verdicts, findings } = await verify({ vkeys: pinned })
    expect(verdicts).toContain('clock_regressed')
    expect(findings.find(({ verdict }) => verdict === 'clock_regressed')?.where.object).toMatch(/\/checkpoint/)
    const without = await verify({ vkeys: pinned.slice(0, 1) })
    expect([without.verdicts, without.timed]).toEqual([['ok'], 0])
  })

  test('not by clocks of two writers that differ a little', async () => {
    const pinned = await timed(START, START + 60, START + 56, START + 61)
    const { ok, timed: compared } = await verify({ vkeys: pinned })
    // The opening’s and four more, as copies, and the newest as it is shown too.
    expect([ok, compared]).toEqual([true, 6])
  })
})

// ---- Checkpoints from elsewhere ------------------------------------------------------------------------------------

describe('a checkpoint from elsewhere', { timeout: 30_000 }, () => {
  test('is compared with the log that it is about, also with one before the newest', async () => {
    await twoLogs()
    const known = [await readFile(file('checkpoint')), await readFile(file('checkpoint', LATER))]
    expect(await verify({ known })).toMatchObject({ ok: true, known: 2 })
    await rm(dir, { recursive: true })
    await log()
    const forked = [await readFile(file('checkpoint'))]
    await rm(dir, { recursive: true })
    await twoLogs()
    expect((await verify({ known: forked })).findings).toMatchObject([
      { verdict: 'history_forked', where: { log: ORIGIN, object: 'known checkpoint 1' } },
    ])
  })

  test('of a log that is not here any more shows that it was taken away', async () => {
    await twoLogs()
    const known = [await readFile(file('checkpoint', LATER))]
    await rm(join(dir, LATER), { recursive: true })
    await rm(join(dir, `${LATER}.meta`), { recursive: true })
    const alone = { origin: ORIGIN, complete: false }
    expect(await verify(alone)).toMatchObject({ ok: true, origin: ORIGIN })
    expect((await verify({ ...alone, known })).verdicts).toEqual(['checkpoint_rolled_back'])
  })

  test('is not needed to see that the newest log was taken away: the one before was closed for it', async () => {
    await twoLogs()
    expect(await verify({ origin: ORIGIN })).toMatchObject({ ok: true, logs: [ORIGIN] })
    await rm(join(dir, LATER), { recursive: true })
    await rm(join(dir, `${LATER}.meta`), { recursive: true })
    for (const over of [{}, { complete: false }, { origin: ORIGIN }])
      expect((await verify(over)).findings, JSON.stringify(over)).toMatchObject([
        { verdict: 'checkpoint_rolled_back', message: expect.stringContaining(LATER) },
      ])
  })

  test('that no pinned key has signed, or that is none, is a forgery', async () => {
    await log()
    for (const note of [Buffer.from('odd'), Buffer.from(`${LATER}\n1\nAAAA\n\n— x y\n`)])
      expect((await verify({ known: [note] })).verdicts).toEqual(['checkpoint_forged'])
  })
})

// ---- Locks and stores ----------------------------------------------------------------------------------------------

describe('locks', { timeout: 30_000 }, () => {
  const wrong = async (over: (key: string) => Partial<ObjectRetention>, days?: number, at = now) => {
    const found = await verify({
      reader: locked(over),
      retention: { now: at, ...(days !== undefined && { days }) },
    })
    return found.findings.map(({ verdict, where }) => [verdict, where.object?.replace(/^.*2026h2/, '')])
  }
  const tile = `/${tilePath(0, 0, 20)}`

  test('are not said to be good where nobody can say', async () => {
    await log()
    const { ok, retention } = await verify({ retention: { now } })
    expect([ok, retention]).toEqual([true, [{ state: 'not checked', why: expect.stringContaining('copy') }]])
    expect((await verify()).retention).toMatchObject([{ state: 'not checked' }])
  })

  test('that are as demanded are counted, with the first end', async () => {
    await log()
    const { ok, retention } = await verify({ reader: locked(), retention: { days: 190, now } })
    expect([ok, retention]).toMatchObject([true, [{ state: 'checked', held: 0, until: '2027-05-10T00:00:00.000Z' }]])
    const { retention: held } = await verify({ reader: locked(() => ({ hold: true })), retention: { now } })
    expect(held).toMatchObject([{ held: (held[0] as { objects: number }).objects }])
  })

  test('for less time than is demanded are named, but for what is kept a short time only', async () => {
    await log()
    const found = await wrong(() => ({}), 191)
    expect(found.length).toBeGreaterThan(5)
    expect(found.some(([, object]) => /\.p\/|staging/.test(object ?? ''))).toBe(false)
  })

  test('that have ended are named, and of what is superseded only those of the log’s last tiles', async () => {
    await log()
    const ended = new Date((START + 60 * 86_400) * 1000)
    const found = await wrong(() => ({}), undefined, ended)
    expect(found).toContainEqual(['retention_missing', tile])
    expect(found).not.toContainEqual(['retention_missing', `/${tilePath(0, 0, 9)}`])
    expect(found.every(([, object]) => /\.p\/20$/.test(object ?? ''))).toBe(true)
  })

  test('of another mode, or none at all, are none, whatever they hold', async () => {
    await log()
    const copy = '.meta/log.vkey'
    const none = (key: string): Partial<ObjectRetention> =>
      key.endsWith(copy) ? ({ mode: undefined, until: undefined } as never) : {}
    expect(await wrong(none)).toEqual([['retention_missing', copy]])
    expect(await wrong((key) => (key.endsWith('/checkpoint') ? { mode: 'GOVERNANCE' } : {}))).toEqual([
      ['retention_missing', '/checkpoint'],
    ])
  })
})

test('what a sink says of its store is told with the log in which it said so', { timeout: 30_000 }, async () => {
  const store = { kind: 'directory', proven: false, failed: ['directory'], unproven: 'laptop' } as const
  const said =
    (detail: object) =>
    async ({ sources }: Plant) => [
      await (sources['audit-sink'] as TestSource).message('again', START + 60, [
        auditEvent('source.heartbeat', {}),
        { ...auditEvent('source.started', { detail: detail as never }) },
      ]),
    ]
  await log({}, said({ store }))
  const { ok, stores } = await verify()
  expect([ok, stores]).toMatchObject([true, [{ log: ORIGIN, source: 'audit-sink/i1/b1', starts: 1, statement: store }]])
  await rm(dir, { recursive: true })
  await log({}, said({ store: { ...store, failed: ['odd'] } }))
  expect((await verify()).stores).toEqual([])
})
