import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { auditEvent, formatVkey, VERDICTS } from '@writ/audit'
import { generateJwk, publicJwk, signerOf, thumbprint, writeKeyFile } from '@writ/keys'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { validates } from '../../../../test/support/json-schema.ts'
import {
  heartbeats,
  keys,
  ORIGIN,
  pins,
  plant,
  START,
  seal,
  type TestSource,
  vkeys,
} from '../../../audit/src/testing/plant-log.ts'
import { runCli } from '../program.ts'

// What an auditor hands on: a signed report, a checkpoint from elsewhere to compare with, one entry with its proof.

let made: string
let other: string
let dir: string
let trust: string
const auditor = generateJwk('ES256')
beforeAll(async () => {
  made = await mkdtemp(join(tmpdir(), 'writ-cli-log-'))
  other = await mkdtemp(join(tmpdir(), 'writ-cli-other-'))
  const { messages, opening, sources } = await plant()
  const store = { kind: 's3', proven: false, failed: ['delete_version'], unproven: 'trial' }
  await seal(made, opening, [messages])
  const said = await (sources['audit-sink'] as TestSource).message('again', START + 60, [
    auditEvent('source.started', { detail: { store } as never }),
  ])
  await seal(made, opening, [[...messages, said]])
  const another = await plant({ at: { 'gateway started': 9 } })
  const more = await heartbeats(another.sources['gateway'] as TestSource, 1)
  await seal(other, another.opening, [[...another.messages, ...more]])
  trust = join(made, 'trust.json')
  await writeFile(trust, JSON.stringify({ ...pins, log_vkeys: vkeys.map(formatVkey) }))
}, 60_000)
afterAll(async () => {
  await rm(made, { recursive: true, force: true })
  await rm(other, { recursive: true, force: true })
})
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'writ-cli-hand-over-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

async function writ(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const written = { out: '', err: '' }
  const code = await runCli(['--home', join(dir, 'none'), 'audit', ...args], {
    out: { write: (text) => (written.out += text) },
    err: { write: (text) => (written.err += text) },
  })
  return { code, ...written }
}

/** A copy with one bit of an entry flipped. */
async function altered(): Promise<string> {
  const copy = join(dir, 'copy')
  await cp(made, copy, { recursive: true })
  const bundle = join(copy, ORIGIN, 'tile/entries/000.p/21')
  const bytes = await readFile(bundle)
  bytes[5000] = (bytes[5000] as number) ^ 1
  await rm(bundle)
  await writeFile(bundle, bytes)
  return copy
}

describe('a signed report', () => {
  let key: string
  let signer: string
  const report = () => join(dir, 'report.json')
  beforeEach(async () => {
    key = join(dir, 'auditor.jwk')
    signer = join(dir, 'auditor-public.jwk')
    await writeKeyFile(key, auditor)
    await writeFile(signer, JSON.stringify(publicJwk(auditor)))
  })
  const make = (place = made, ...more: string[]) =>
    writ('verify', place, '--trust', trust, '--out', report(), '--sign', key, ...more)

  test('says what was verified against which pins, in the documented form, and is its signer’s', async () => {
    expect((await make()).code).toBe(0)
    const text = await readFile(report(), 'utf8')
    const schema = new URL('../../../../docs/verification-report.schema.json', import.meta.url)
    expect(validates(JSON.parse(await readFile(schema, 'utf8')), JSON.parse(text))).toBe(true)
    expect(JSON.parse(text)).toMatchObject({
      format: 'writ-verification/1',
      ok: true,
      verdicts: ['ok'],
      origin: ORIGIN,
      size: 21,
      findings: [],
      pins: { log_vkeys: vkeys.map(formatVkey), operators: { root: keys.root.kid } },
      stores: [{ log: ORIGIN, leaf: 20, statement: { failed: ['delete_version'], unproven: 'trial' } }],
      retention: [{ log: ORIGIN, state: 'not checked' }],
    })
    const checked = await writ('check-report', report(), '--signer', signer)
    expect(checked.code).toBe(0)
    expect(checked.out).toContain(`✓ signed by the key in ${signer} (key ${thumbprint(publicJwk(auditor))})`)
    expect(checked.out).toContain(`VERIFIED: the audit log ${ORIGIN}`)
  })

  test('does not pass for another’s, nor with anything in it changed', async () => {
    await make()
    await writeFile(signer, JSON.stringify(signerOf(generateJwk('ES256')).jwk))
    const stranger = await writ('check-report', report(), '--signer', signer)
    expect([stranger.code, stranger.err]).toEqual([6, expect.stringContaining('none of those that count')])
    // Pinned operators count where nobody is named; the auditor is none.
    expect((await writ('check-report', report(), '--trust', trust)).code).toBe(6)
    await writeFile(signer, JSON.stringify(publicJwk(auditor)))
    const text = await readFile(report(), 'utf8')
    for (const changed of [text.replace('"size": 21', '"size": 20'), `${text}\n`, '{}']) {
      await writeFile(report(), changed)
      const found = await writ('check-report', report(), '--signer', signer)
      expect([found.code, found.err]).toEqual([6, expect.stringContaining('not the one that was signed')])
    }
    await writeFile(`${report()}.jws`, 'odd')
    expect((await writ('check-report', report(), '--signer', signer)).code).toBe(3)
  })

  test('of a log that does not verify is signed too, names each verdict, and ends the check with 6', async () => {
    expect((await make(await altered())).code).toBe(6)
    const found = JSON.parse(await readFile(report(), 'utf8')) as {
      verdicts: string[]
      findings: { meaning: string }[]
    }
    const schema = new URL('../../../../docs/verification-report.schema.json', import.meta.url)
    expect(validates(JSON.parse(await readFile(schema, 'utf8')), found)).toBe(true)
    expect(found).toMatchObject({ ok: false, verdicts: expect.arrayContaining(['entry_altered']) })
    expect(found.findings[0]?.meaning).toMatch(/^An entry/)
    const checked = await writ('check-report', report(), '--signer', signer, '--json')
    expect(checked.code).toBe(6)
    expect(JSON.parse(checked.out)).toMatchObject({ ok: false, signature: 'verified', verdicts: found.verdicts })
  })

  test('is not made where there is nothing to sign, or no key to sign with', async () => {
    expect(await writ('verify', made, '--trust', trust, '--sign', key)).toMatchObject({ code: 3, out: '' })
    expect(await make(made, '--sign', join(dir, 'none'))).toMatchObject({ code: 4, out: '' })
    expect(await readdir(dir)).not.toContain('report.json')
  })

  test('has a form that knows every verdict', async () => {
    const schema = new URL('../../../../docs/verification-report.schema.json', import.meta.url)
    const text = await readFile(schema, 'utf8')
    const { $defs } = JSON.parse(text) as { $defs: { verdict: { enum: string[] } } }
    expect($defs.verdict.enum).toEqual([...VERDICTS])
  })
})

describe('a checkpoint from elsewhere', () => {
  test('shows that its holder was shown another history', async () => {
    const known = join(other, ORIGIN, 'checkpoint')
    const { code, out } = await writ('verify', made, '--trust', trust, '--known-checkpoint', known)
    expect(code).toBe(6)
    expect(out).toMatch(/history_forked|checkpoint_rolled_back/)
    expect(out).toContain('history_forked')
  })

  test('that fits is said to; its option’s earlier name does too', async () => {
    const known = join(made, ORIGIN, 'checkpoint')
    for (const option of ['--known-checkpoint', '--checkpoint']) {
      const { code, out } = await writ('verify', made, '--trust', trust, option, known)
      expect(code).toBe(0)
      expect(out).toContain('It goes on from the checkpoint that was brought from elsewhere')
    }
  })
})

test('a store that had failed its self-test is named with its flag, in lines, and in the report for a browser', async () => {
  const { code, out } = await writ('verify', made, '--trust', trust)
  expect(code).toBe(0)
  expect(out).toContain(
    `UNPROVEN STORE: in ${ORIGIN} from 2026-11-01T00:01:00.000Z on (leaf 20) the log was written to`,
  )
  expect(out).toContain('delete_version. It was used all the same, by the development flag WRIT_STORE_UNPROVEN=trial.')
  expect(out).toContain(`Not checked: whether the objects of ${ORIGIN} are locked against deletion.`)
  const html = join(dir, 'report.html')
  expect((await writ('report', made, '--trust', trust, '--html', html)).code).toBe(0)
  const page = await readFile(html, 'utf8')
  for (const said of [
    'UNPROVEN STORE',
    'WRIT_STORE_UNPROVEN=trial',
    'Not checked: whether the objects',
    'Decided again',
  ])
    expect(page).toContain(said)
})

describe('one entry with its proof', () => {
  const proof = () => join(dir, '12.tlog-proof')
  const entry = () => join(dir, '12.entry')
  beforeEach(() => writ('show', '12', made, '--trust', trust, '--proof', proof(), '--entry', entry()))

  test('is checked from two files and the log’s key, with no log at hand', async () => {
    const { code, out } = await writ('check-proof', proof(), '--trust', trust)
    expect(code).toBe(0)
    expect(out).toContain(`✓ entry 12 of ${ORIGIN}`)
    expect(out).toMatch(/source {4}\S+\/i1\/b1, message \d/)
    const machine = await writ(
      'check-proof',
      proof(),
      '--entry',
      entry(),
      '--vkey',
      vkeys.map(formatVkey)[0] ?? '',
      '--json',
    )
    expect(JSON.parse(machine.out)).toMatchObject({ ok: true, origin: ORIGIN, leaf: 12, checkpoint: { size: 21 } })
  })

  test('does not pass with another entry, another key, or as something else', async () => {
    const wrong = formatVkey(keys.otherLog.verifier(ORIGIN))
    expect((await writ('check-proof', proof(), '--vkey', wrong)).code).toBe(6)
    await writeFile(entry(), (await readFile(entry())).subarray(1))
    expect(await writ('check-proof', proof(), '--trust', trust)).toMatchObject({ code: 6, out: '' })
    await writeFile(proof(), 'odd')
    expect((await writ('check-proof', proof(), '--trust', trust)).code).toBe(3)
    expect((await writ('check-proof', entry(), '--trust', trust)).code).toBe(3)
  })
})
