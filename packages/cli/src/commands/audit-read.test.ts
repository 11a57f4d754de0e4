import { createHash } from 'node:crypto'
import { cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  auditEvent,
  formatVkey,
  parseTlogProof,
  sealDocument,
  verifyTlogProof,
  writeSubjectKeysFile,
} from '@writ/audit'
import { type Intent, intentMessage } from '@writ/contracts'
import { digestOf, signMessage } from '@writ/keys'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  keys,
  type Message,
  ORIGIN,
  pins,
  plant,
  REGION,
  START,
  seal,
  subjectKeys,
  type TestSource,
  vkeys,
} from '../../../audit/src/testing/plant-log.ts'
import { runCli } from '../program.ts'

const RLO = '\u{202e}'
const HOSTILE = `</style><script>alert("1")</script> ${RLO}gpj.exe & 'x'\n\u{200b}<img src=x onerror=y>`

let made: string
let dir: string
let trust: string
let keysFile: string
let hostile: Message
let planted: Awaited<ReturnType<typeof plant>>
beforeAll(async () => {
  made = await mkdtemp(join(tmpdir(), 'writ-cli-log-'))
  planted = await plant()
  hostile = await hostileIntent(planted.sources['intent-gateway'])
  // Sealed by itself, so that it is the last entry.
  await seal(made, planted.opening, [planted.messages, [hostile]])
  trust = join(made, 'trust.json')
  await writeFile(trust, JSON.stringify({ ...pins, log_vkeys: vkeys.map(formatVkey) }))
  keysFile = join(made, 'keys.json')
  await writeSubjectKeysFile(
    keysFile,
    [...subjectKeys].map(([kid, key]) => ({ kid, key })),
  )
})
afterAll(() => rm(made, { recursive: true, force: true }))
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'writ-cli-audit-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

async function hostileIntent(source: TestSource | undefined): Promise<Message> {
  const claims: Intent = {
    iss: 'a1',
    aud: `writ:${REGION}`,
    iat: START,
    exp: START + 60,
    jti: 'hostile',
    on_behalf_of: `u1${RLO}<b>`,
    action: 'restart',
    targets: ['press-1'],
    params: { '<script>': `\u{1b}[2J\u{9b}2J${RLO}` },
    purpose: HOSTILE,
  }
  const intent = await signMessage(keys.agent, intentMessage, claims)
  const about = { agent_id: 'a1', intent: 'restart', intent_id: 'hostile', intent_digest: digestOf(intent) }
  const userKey = { kid: 'u-anna-2026q4', key: subjectKeys.get('u-anna-2026q4') as Uint8Array }
  const documents = [await sealDocument(intentMessage.typ, intent, userKey)]
  const event = auditEvent('intent.refused', {
    ...about,
    reasons: ['wrong_user'],
    detail: { state: 'denied' },
    documents,
  })
  return (source as TestSource).message('hostile', START + 100, [event])
}

const inventedDigest = (at: number) => createHash('sha256').update(`${at}`).digest('base64url')

/** What anybody with a login to the bus can send: intents as many as they like, none of them signed by anybody. */
function invented(): Message[] {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const about = { agent_id: 'a1', timestamp: new Date(START * 1000).toISOString() }
  const events = Array.from({ length: 60 }, (_, at) => ({ ...about, intent_digest: inventedDigest(at) }))
  const odd = Array.from({ length: 60 }, (_, at) => ({ ...about, intent_digest: `X${at}` }))
  const payload = { source: 'gateway/g1/b1', seq: 0, events: [...events, ...odd] }
  const body = `${part({ alg: 'ES256', kid: 'x', typ: 'writ-audit+jwt' })}.${part(payload)}.e30`
  return [{ name: 'invented', stream: 'AUDIT_EDGE', source: payload.source, body }]
}

interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

async function run(args: readonly string[], signal = AbortSignal.abort()): Promise<Ran> {
  const written = { out: '', err: '' }
  const code = await runCli(args, {
    out: { write: (text) => (written.out += text) },
    err: { write: (text) => (written.err += text) },
    interrupted: () => signal,
  })
  return { code, ...written }
}
/** With the pins alone: no context, no plane, no network. */
const writ = (...args: string[]): Promise<Ran> => run(['--home', join(dir, 'none'), 'audit', ...args, '--trust', trust])
const opened = () => ['--subject-keys', keysFile]
const json = async (...args: string[]) => JSON.parse((await writ(...args, '--json')).out) as Record<string, unknown>

/** A copy with one letter of the token’s entry changed: in its signature, or in what it says. */
async function altered(where: 'signature' | 'payload' = 'signature'): Promise<string> {
  const copy = join(dir, 'copy')
  await cp(made, copy, { recursive: true })
  const bundle = join(copy, ORIGIN, 'tile/entries/000.p/21')
  const bytes = await readFile(bundle)
  const body = planted.messages.find(({ name }) => name === 'token')?.body ?? ''
  const at = bytes.indexOf(body) + (where === 'signature' ? body.length - 20 : 300)
  // Another letter of the same alphabet, so that it is still a message.
  bytes[at] = bytes[at] === 65 ? 66 : 65
  await rm(bundle)
  await writeFile(bundle, bytes)
  return copy
}

// ---- trace ---------------------------------------------------------------------------------------------------------

describe('writ audit trace', () => {
  test('says what is not verified, and ends with 6', async () => {
    const { code, out } = await writ('trace', await altered(), '--intent', 'intent-1')
    expect(code).toBe(6)
    expect(out).toMatch(/✗ +\d+ .*NOT VERIFIED: entry_altered/)
    expect(out).toMatch(/✗ 1 of \d+ entries are NOT VERIFIED/)
  })

  test('says that something may be missing where it cannot be found any more', async () => {
    const { code, out } = await writ('trace', await altered('payload'), '--intent', 'intent-1')
    expect(code).toBe(6)
    expect(out).toContain('NOT VERIFIED: entries of the log were altered, so that what they say may be missing here.')
  })

  test('says which epochs were read, and that one is missing: it does not claim to know of all there was', async () => {
    const grown = join(dir, 'grown')
    await cp(made, grown, { recursive: true })
    const next = ORIGIN.replace('2026h2', '2027h1')
    const beat = await (planted.sources['token-issuer'] as TestSource).message('beat', START + 200, [
      auditEvent('source.heartbeat', {}),
    ])
    await seal(grown, planted.opening, [[beat]], { now: new Date('2027-01-02T00:00:00Z') })
    const both = await writ('trace', grown, '--intent', 'intent-1')
    expect([both.code, both.out]).toEqual([0, expect.stringContaining(`All entries of ${ORIGIN} and ${next} up to it`)])
    for (const folder of [ORIGIN, `${ORIGIN}.meta`]) await rm(join(grown, folder), { recursive: true })
    const { code, out } = await writ('trace', grown, '--agent', 'a1')
    expect(code).toBe(6)
    expect(out).toContain(`✗ NOT VERIFIED: ${next} goes on from ${ORIGIN}, which is not here`)
    expect(out).not.toContain('Nothing of that is in the log.')
    const value = await json('trace', grown, '--agent', 'a1')
    expect(value).toMatchObject({ ok: false, whole: false, epochs: [next], epoch_gaps: [{ before: ORIGIN }] })
  })

  test('shows what is verified, however much somebody invents beside it: that goes into one count', async () => {
    const garbage = join(dir, 'garbage')
    await cp(made, garbage, { recursive: true })
    await seal(garbage, planted.opening, [planted.messages, [hostile], invented()])
    const traced = await writ('trace', garbage, '--agent', 'a1', '--limit', '2', ...opened())
    expect(traced.code).toBe(6)
    expect(traced.out.match(/^intent .*/gm)).toEqual([
      'intent intent-1  succeeded',
      expect.stringMatching(/^intent hostile /),
    ])
    expect(await json('trace', garbage, '--agent', 'a1', '--limit', '3')).toMatchObject({
      ok: false,
      intents: [
        { intent_id: 'intent-1', verified: true },
        { intent_id: 'hostile', verified: true },
      ],
      intents_left_out: 0,
      others: [{ verified: true }, { verified: false }],
      not_verified_left_out: { intents: 60, others: 0, leaves: [21] },
    })
    expect((await writ('trace', garbage, '--agent', 'a1', '--limit', '3')).out).toContain(
      '✗ NOT VERIFIED: 60 intents that may fit are known from entries alone that are not verified, and are not shown. See leaf 21',
    )
    const { text } = await reportOf(garbage, '--agent', 'a1')
    expect(text).toContain('60 intents that may fit')
    // Who asks for one by its name is shown what there is.
    const named = await json('trace', garbage, '--intent', inventedDigest(0))
    expect(named).toMatchObject({ ok: false, intents: [{ verified: false, events: [], unreadable: [{ leaf: 21 }] }] })
  })

  test('says that documents stayed sealed where the keys given open none, or only some', async () => {
    const none = join(dir, 'no-keys.json')
    await writeFile(none, JSON.stringify({ keys: [] }))
    for (const keys of [[], ['--subject-keys', none]]) {
      const { out } = await writ('trace', made, '--device', 'press-77', ...keys)
      expect(out).toContain('Nothing of that is in the log outside of sealed documents.')
      expect(out).toMatch(/7 sealed documents were not opened/)
      expect(await json('trace', made, '--agent', 'a1', ...keys)).toMatchObject({ sealed_documents: 7 })
    }
    const { out } = await writ('trace', made, '--device', 'press-77', ...opened())
    expect(out).toContain('Nothing of that is in the log.')
    expect(await json('trace', made, '--device', 'press-77', ...opened())).toMatchObject({ sealed_documents: 0 })
  })

  test('names the checkpoints that the proofs lead to, and writes them for any tool to verify', async () => {
    const proofs = join(dir, 'proofs')
    const { code, out } = await writ('trace', made, '--intent', 'intent-1', '--proofs', proofs)
    expect([code, out]).toEqual([
      0,
      expect.stringMatching(new RegExp(`inclusion proof leads to .*\n +${ORIGIN}, 21 entries, root `)),
    ])
    const names = (await readdir(proofs)).filter((name) => name.endsWith('.tlog-proof'))
    expect(names).toHaveLength(8)
    for (const name of names) {
      const proof = parseTlogProof(await readFile(join(proofs, name), 'utf8'))
      const entry = await readFile(join(proofs, name.replace('.tlog-proof', '.entry')))
      expect(verifyTlogProof(proof, entry, vkeys)).toMatchObject({ size: 21, origin: ORIGIN })
    }
  })

  test('nothing that somebody wrote moves a terminal’s cursor or turns its text around', async () => {
    for (const args of [
      ['trace', made, '--intent', 'hostile'],
      ['tail', made],
      ['show', '20', made],
    ]) {
      const { code, out } = await writ(...args, ...opened())
      expect([code, out]).toEqual([0, expect.stringContaining('<script>alert("1")</script>')])
      expect(out).not.toMatch(/[^\P{Cc}\n]|\p{Cf}/u)
      expect(out).toContain('\\u{202e}gpj.exe')
    }
  })

  test('nor does it in JSON, which says the same', async () => {
    const { out } = await writ('trace', made, '--intent', 'hostile', '--json', ...opened())
    expect(out).not.toMatch(/[^\P{Cc}\n]|\p{Cf}/u)
    const { intents } = JSON.parse(out) as { intents: [{ intent: { purpose: string; params: object } }] }
    expect(intents[0].intent).toMatchObject({ purpose: HOSTILE, params: { '<script>': `\u{1b}[2J\u{9b}2J${RLO}` } })
  })

  test('tells an intent in order from who asked to what ran, each line with its leaf', async () => {
    const { code, out } = await writ('trace', made, '--intent', 'intent-1', ...opened())
    expect(code).toBe(0)
    const lines = out.split('\n').filter((line) => /^ {2}✓ +\d+ /.test(line))
    expect(lines.map((line) => line.slice(56).trim().split(' ')[0])).toEqual([
      'asked',
      'decided',
      'decided',
      'token',
      'sent',
      'redeemed',
      'began',
      'succeeded',
      'succeeded',
    ])
    expect(out).toContain('agent a1 for u1: restart press-1 — “test”')
    expect(out).toContain(`allow under policy version 1, bundle ${digestOf('a.b')}`)
    expect(out).toContain('the log holds nothing else about this')
  })

  test('gives all of it to machines, with proofs that anybody can verify', async () => {
    const { ok, intents, checkpoint } = await json('trace', made, '--intent', planted.intentDigest, ...opened())
    expect([ok, checkpoint]).toMatchObject([true, { origin: ORIGIN, size: 21 }])
    const [story] = intents as [{ state: string; events: { leaf: number; proof: string; event: { type: string } }[] }]
    expect(story).toMatchObject({ state: 'succeeded', agent_id: 'a1', intent: { purpose: 'test' } })
    for (const { leaf, proof } of story.events) expect(parseTlogProof(proof).index).toBe(leaf)
  })

  test('finds by agent, device and time, shows of an entry what fits, and leaves sealed what it has no key for', async () => {
    const { intents, others } = await json('trace', made, '--agent', 'a1')
    expect(intents).toMatchObject([{ intent_id: 'intent-1' }, { intent_id: 'hostile', state: 'denied' }])
    expect(others).toMatchObject([{ event: { type: 'record.filed', detail: { kind: 'agent' } } }])
    expect(JSON.stringify(intents)).not.toContain('"u1')
    expect(await json('trace', made, '--device', 'press-2')).toMatchObject({ ok: true, intents: [], others: [] })
    const window = await json('trace', made, '--from', '2026-11-01T00:01', '--to', '2026-11-01')
    expect(window).toMatchObject({ intents: [{ intent_id: 'hostile' }], others: [] })
    expect(await json('trace', made, '--agent', 'a1', '--limit', '1')).toMatchObject({ intents_left_out: 1 })
  })

  test('without anything to look for, and for an intent that is not there, it says so', async () => {
    expect(await writ('trace', made)).toMatchObject({ code: 3, err: expect.stringContaining('--intent') })
    expect(await writ('trace', made, '--intent', 'nobody')).toMatchObject({ code: 4 })
    expect(await writ('trace', made, '--from', 'yesterday')).toMatchObject({ code: 2 })
    expect(await writ('trace', made, '--agent', 'a1', '--limit', '0')).toMatchObject({ code: 2 })
  })
})

// ---- show ----------------------------------------------------------------------------------------------------------

describe('writ audit show', () => {
  test('writes a proof and the entry, which verify together with the pinned key alone', async () => {
    const files = { proof: join(dir, 'one.tlog-proof'), entry: join(dir, 'one.jws') }
    const { code } = await writ('show', '12', made, '--proof', files.proof, '--entry', files.entry)
    expect(code).toBe(0)
    const proof = parseTlogProof(await readFile(files.proof, 'utf8'))
    expect(verifyTlogProof(proof, await readFile(files.entry), vkeys)).toMatchObject({ size: 21, origin: ORIGIN })
  })

  test('writes no proof of what is not proven', async () => {
    const copy = await altered()
    const all = await json('trace', copy, '--intent', 'intent-1')
    const [{ events }] = all['intents'] as [{ events: { leaf: number; verified: boolean }[] }]
    const leaf = String(events.find(({ verified }) => !verified)?.leaf)
    expect(await writ('show', leaf, copy)).toMatchObject({ code: 6, out: expect.stringContaining('NOT VERIFIED') })
    const file = join(dir, 'none.tlog-proof')
    expect(await writ('show', leaf, copy, '--proof', file)).toMatchObject({ code: 6 })
    await expect(stat(file)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test('shows documents opened where there is a key, and says which are sealed', async () => {
    expect((await writ('show', '20', made)).out).toContain('sealed: no key was given that opens it')
    const { events } = await json('show', '20', made, ...opened())
    expect(events).toMatchObject([{ verified: true, documents: [{ state: 'open', claims: { jti: 'hostile' } }] }])
    expect(await writ('show', '21', made)).toMatchObject({ code: 3, err: expect.stringContaining('the last is 20') })
  })
})

// ---- tail ----------------------------------------------------------------------------------------------------------

describe('writ audit tail', () => {
  test('shows the last events, a line or a JSON document each', async () => {
    expect((await writ('tail', made, '--lines', '3')).out.trimEnd().split('\n')).toHaveLength(3)
    const { out } = await writ('tail', made, '-n', '2', '--json')
    const events = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as object)
    expect(events).toMatchObject([
      { leaf: 19, verified: true },
      { leaf: 20, event: { type: 'intent.refused' } },
    ])
  })

  test('follows what is sealed until it is interrupted, each entry once', async () => {
    const grows = join(dir, 'grows')
    const { messages, opening } = await plant()
    await seal(grows, opening, [messages.slice(0, 5)])
    const stop = new AbortController()
    let out = ''
    const running = runCli(
      ['--home', join(dir, 'none'), 'audit', 'tail', grows, '-f', '-n', '1', '--json', '--trust', trust],
      {
        out: {
          write: (text) => {
            out += text
            if (out.split('\n').length > 16) stop.abort()
          },
        },
        err: { write: (text) => (out += text) },
        interrupted: () => stop.signal,
      },
    )
    await seal(grows, opening, [messages.slice(0, 5), messages.slice(5)])
    expect(await running).toBe(0)
    const leaves = out
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { leaf: number }).leaf)
    expect([...new Set(leaves)]).toEqual(Array.from({ length: 15 }, (_, at) => at + 5))
  })
})

describe('ends with 6, not with what a script would take for a mistake of its own or an outage, when the log', () => {
  const broken = async (change: (note: Buffer) => Buffer) => {
    const copy = join(dir, 'broken')
    await cp(made, copy, { recursive: true })
    const file = join(copy, ORIGIN, 'checkpoint')
    const note = change(await readFile(file))
    await rm(file)
    await writeFile(file, note)
    return copy
  }

  test('has a checkpoint that the pinned key has not signed', async () => {
    const copy = await broken((note) => {
      note[note.length - 10] = note[note.length - 10] === 65 ? 66 : 65
      return note
    })
    for (const args of [['tail'], ['trace', '--agent', 'a1'], ['show', '3']]) {
      const [command = '', ...rest] = args
      const given = command === 'show' ? [...rest, copy] : [copy, ...rest]
      expect(await writ(command, ...given)).toMatchObject({ code: 6, err: expect.stringContaining('not signed by') })
    }
    await rm(join(copy, ORIGIN), { recursive: true })
    await rm(join(copy, `${ORIGIN}.meta`), { recursive: true })
    expect(await writ('tail', copy)).toMatchObject({ code: 4 })
  })

  test('does not go on from what was shown before', async () => {
    const other = join(dir, 'other')
    const { messages, opening } = await plant()
    await seal(other, opening, [messages.slice(0, 9)])
    const followed = join(dir, 'followed')
    await cp(made, followed, { recursive: true })
    let replaced: Promise<void> | undefined
    const code = await runCli(
      ['--home', join(dir, 'none'), 'audit', 'tail', followed, '-f', '-n', '1', '--json', '--trust', trust],
      {
        out: {
          write: () => {
            replaced ??= rm(followed, { recursive: true }).then(() => cp(other, followed, { recursive: true }))
          },
        },
        err: { write: () => undefined },
        interrupted: () => AbortSignal.timeout(20_000),
      },
    )
    await replaced
    expect(code).toBe(6)
  })
})

// ---- report --------------------------------------------------------------------------------------------------------

const TAGS = new Set(
  'html head meta title style body main p h1 h2 h3 div dl dt dd code section strong table thead tbody tr th td a span bdi b br blockquote article header details summary pre footer'.split(
    ' ',
  ),
)
const VOID = new Set(['meta', 'br'])
const ATTRIBUTES = new Set(['lang', 'charset', 'http-equiv', 'content', 'name', 'class', 'id', 'href', 'title'])

/** Takes the page apart as a browser does, as far as ours goes. Throws when anything is in it that we do not write. */
function textOfPage(page: string): string {
  const open: string[] = []
  let text = ''
  const style = page.indexOf('</style>')
  const markup = page.slice(0, page.indexOf('<style>')) + page.slice(style + '</style>'.length)
  for (const part of markup.replace('<!doctype html>', '').split(/(<[^>]*>)/)) {
    const [, end, name = '', attributes = ''] = /^<(\/?)([a-z0-9]+)((?: [a-z-]+="[^"<>]*")*)>$/.exec(part) ?? []
    if (name === '') {
      if (/[<>]/.test(part)) throw new Error(`not markup of ours: ${part.slice(0, 200)}`)
      text += part
      continue
    }
    if (!TAGS.has(name)) throw new Error(`a tag that we do not write: ${part}`)
    for (const [, attribute = '', value = ''] of attributes.matchAll(/ ([a-z-]+)="([^"]*)"/g))
      if (!ATTRIBUTES.has(attribute) || (attribute === 'href' && !value.startsWith('#')))
        throw new Error(`an attribute that we do not write: ${part}`)
    if (end === '/') {
      if (open.pop() !== name) throw new Error(`closed out of order: ${part}`)
    } else if (!VOID.has(name)) open.push(name)
  }
  if (open.length > 0) throw new Error(`left open: ${open.join(' ')}`)
  return text
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&')
}

async function reportOf(...args: string[]): Promise<{ ran: Ran; page: string; text: string }> {
  const file = join(dir, 'report.html')
  const ran = await writ('report', ...args, '--html', file)
  const page = await readFile(file, 'utf8')
  return { ran, page, text: textOfPage(page) }
}

describe('writ audit report', () => {
  const report = reportOf

  test('what people wrote stays text: no tags of theirs, no hidden or turning characters, nothing that runs', async () => {
    const { ran, page, text } = await report(made, ...opened())
    expect(ran.code).toBe(0)
    expect(text).toContain('</style><script>alert("1")</script> U+202Egpj.exe & \'x\'\nU+200B<img src=x onerror=y>')
    expect(text).toContain('u1U+202E<b>')
    expect(page).not.toMatch(/[^\P{Cc}\n]|\p{Cf}/u)
  })

  test('nothing is fetched and only its own style applies: the policy in it says so', async () => {
    const { page } = await report(made)
    const style = /<style>(.*?)<\/style>/s.exec(page)?.[1] ?? ''
    const hash = createHash('sha256').update(style).digest('base64')
    expect(page).toContain(
      `content="default-src &#39;none&#39;; style-src &#39;sha256-${hash}&#39;; base-uri &#39;none&#39;; form-action &#39;none&#39;"`,
    )
    expect(page.match(/<style>/g)).toHaveLength(1)
    expect(style).not.toMatch(/url\(|@import|@font-face/)
    expect((await stat(join(dir, 'report.html'))).mode & 0o777).toBe(0o600)
  })

  test('tells who asked, what was decided and why, what ran, the verdict and the pins', async () => {
    const { ran, text } = await report(made, '--intent', 'intent-1', ...opened())
    expect(ran.out).toContain('VERIFIED: the audit log')
    expect(text).not.toContain('Other steps')
    for (const said of ['✓ VERIFIED', 'agent a1 for u1', 'restart press-1', digestOf('a.b'), 'press-1 via gateway g1'])
      expect(text).toContain(said)
    for (const pin of vkeys.map(formatVkey)) expect(text).toContain(pin)
    expect(text).toContain('Anchor of token-issuer')
    expect(text).not.toContain('script')
  })

  test('holds each entry with a proof that verifies as it is copied from the page', async () => {
    const { page } = await report(made, '--intent', 'intent-1')
    const boxes = [
      ...page.matchAll(/<pre>(c2sp\.org\/tlog-proof[^<]*)<\/pre>\n<p class="quiet">Entry<\/p><pre>([^<]*)<\/pre>/g),
    ]
    expect(boxes).toHaveLength(8)
    for (const [, proof = '', entry = ''] of boxes)
      expect(verifyTlogProof(parseTlogProof(proof), Buffer.from(entry), vkeys).size).toBe(21)
  })

  test('of a log that does not verify it says so first, marks what is wrong, and ends with 6', async () => {
    const { ran, text } = await report(await altered())
    expect(ran.code).toBe(6)
    expect(text).toContain('✗ NOT VERIFIED')
    expect(text).toContain('entry_altered')
    expect(text).toMatch(/Not verified: Entry \d+ is not the one that the log committed to/)
  })

  test('without keys people stay pseudonyms, and what is left out is said', async () => {
    const { text } = await report(made, '--limit', '1')
    expect(text).toContain('left sealed: people are named by pseudonyms')
    expect(text).toContain('Not in this report: 1 earlier intents that fit.')
    expect(text).not.toContain('for u1')
  })
})
