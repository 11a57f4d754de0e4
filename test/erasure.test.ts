import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { jetstreamManager } from '@nats-io/jetstream'
import {
  checkpointKey,
  formatCheckpoint,
  isDestroyed,
  noteSignerOf,
  openDocument,
  openPseudonyms,
  openWrappingKey,
  subjectOf,
  subjectOfKey,
} from '@writ/audit'
import {
  type AuditEvent,
  type Command,
  commandMessage,
  cosignMessage,
  type EventDocument,
  intentMessage,
  type Result,
} from '@writ/contracts'
import { digestOf, openMessage, openSigner, parseJws, type Signer, signJws, signMessage } from '@writ/keys'
import { planePaths, readSubjectKeys } from '@writ/plane'
import { openStore } from '@writ/worm-store'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { AUD, BrokerStage, kill, until } from './support/broker-stage.ts'
import { nowSeconds, REGION } from './support/world.ts'

/** A person asks to be forgotten; operators order it; intent-gateway, whole, destroys what opens the documents about them. */
let stage: BrokerStage
let running: AsyncDisposable
let deputy: Signer
let subject: string
let held: string[] = []

beforeAll(async () => {
  stage = await BrokerStage.open()
  running = await stage.start('ig0', { heldEpochs: async () => held })
  await stage.fileAll()
  deputy = stage.signer('operator', 'deputy')
  await stage.file('operator', 'deputy', { keys: [deputy.jwk], user: 'dora' })
  const wrapping = await openWrappingKey(`file:${planePaths(stage.nats.plane.dir).wrapKey}`)
  subject = subjectOf((await openPseudonyms(wrapping, REGION))('u1'))
}, 120_000)
beforeEach(() => {
  held = []
  stage.succeed()
})
afterEach(() => stage.reset())
afterAll(() => stage?.[Symbol.asyncDispose]())

let erasures = 0
const order = (changes: object = {}) =>
  stage.command('subject', subject, { erased: true }, { version: erasures + 1, ...changes })

/** One that our own tools would not sign. */
async function misshapen(changes: object): Promise<string> {
  const { payload } = parseJws(await order(), commandMessage.bytesMax)
  return signJws(stage.root, commandMessage.typ, { ...payload, ...changes })
}

async function cosigned(command: string, by: Signer = deputy, iss = 'deputy'): Promise<string> {
  const iat = nowSeconds()
  const claims = { iss, aud: AUD, iat, exp: iat + 300, command_digest: digestOf(command) }
  return `${command}\n${await signMessage(by, cosignMessage, claims)}`
}

/** The same order until everything of the person is settled. */
async function sent(body: string): Promise<Result> {
  let result: Result | undefined
  await until(async () => {
    result = await stage.sendCommand(body)
    return result.code !== 'unavailable'
  })
  return result as Result
}

async function erase(): Promise<string> {
  const body = await cosigned(await order())
  expect(await sent(body)).toMatchObject({ ok: true, version: erasures + 1 })
  erasures += 1
  return body
}

const jtiOf = (intent: string) => openMessage(intentMessage, intent).claims.jti

/** One intent of the person, done, and its document as the log has it. */
async function ask(): Promise<{ readonly intent: string; readonly document: EventDocument }> {
  const intent = await stage.intent()
  await stage.send(intent)
  await stage.reaches(jtiOf(intent), 'succeeded')
  let document: EventDocument | undefined
  await until(async () => {
    const events: readonly AuditEvent[] = await stage.events()
    document = events.flatMap(({ documents = [] }) => documents).find(({ digest }) => digest === digestOf(intent))
    return document !== undefined
  })
  await until(() => isSettled(intent))
  return { intent, document: document as EventDocument }
}

/** Its state has shrunk: all that it said is in the log. */
async function isSettled(intent: string): Promise<boolean> {
  const jsm = await jetstreamManager(stage.nats.store)
  const stored = await jsm.direct.getMessage('KV_intents', { last_by_subj: `$KV.intents.a1.${jtiOf(intent)}` })
  return stored?.json<{ readonly done?: boolean }>().done === true
}

const kidOf = ({ jwe = '' }: EventDocument) =>
  (JSON.parse(Buffer.from(jwe.split('.')[0] ?? '', 'base64url').toString()) as { kid: string }).kid

async function keysLeft(): Promise<ReadonlyMap<string, Uint8Array>> {
  return new Map((await readSubjectKeys(stage.nats.plane, stage.nats.store)).map(({ kid, key }) => [kid, key]))
}
const keysOfPerson = async () => [...(await keysLeft()).keys()].filter((kid) => subjectOfKey(kid) === subject)
const opened = async (document: EventDocument) => {
  const keys = await keysLeft()
  return (await openDocument(document, (kid) => keys.get(kid))).state
}

/** Every message of the bucket, in whatever state. */
async function bucket(): Promise<readonly { readonly key: string; readonly value: Uint8Array }[]> {
  const jsm = await jetstreamManager(stage.nats.store)
  const all: { key: string; value: Uint8Array }[] = []
  for (let seq = 1; ; seq++) {
    const stored = await jsm.direct.getMessage('KV_subject-keys', { seq, next_by_subj: '$KV.subject-keys.>' })
    if (stored === null) return all
    all.push({ key: stored.subject.slice('$KV.subject-keys.'.length), value: stored.data })
    seq = stored.seq
  }
}

describe('an order to erase', () => {
  test('by one operator is refused, and so is one whose second signature is the first’s, a stranger’s, or under another order', async () => {
    const { document } = await ask()
    const lone = await order()
    const stranger = stage.signer('operator', 'nobody')
    const refused = [
      [lone, 'approval_required'],
      [await cosigned(await order(), stage.root, 'root'), 'chain_broken'],
      [await cosigned(await order(), stranger, 'deputy'), 'unknown_key'],
      [`${await order()}\n${(await cosigned(lone)).split('\n')[1]}`, 'chain_broken'],
      [await cosigned(await misshapen({ record: null })), 'malformed'],
      [await cosigned(await misshapen({ id: 'u-anna' })), 'malformed'],
      [await cosigned(await order({ version: erasures + 2 })), 'wrong_version'],
    ] as const
    for (const [body, code] of refused) expect(await stage.sendCommand(body)).toMatchObject({ ok: false, code })
    expect(await opened(document)).toBe('open')
  })

  test('is refused under legal hold, and nothing is destroyed or filed', async () => {
    const { document } = await ask()
    const now = new Date()
    held = [`${now.getUTCFullYear()}h${now.getUTCMonth() < 6 ? 1 : 2}`]
    const body = await cosigned(await order())
    expect(await stage.sendCommand(body)).toMatchObject({ ok: false, code: 'constraint_failed' })
    held = []
    // The same bytes get the same answer; a new order is taken.
    expect(await stage.sendCommand(body)).toMatchObject({ ok: false, code: 'constraint_failed' })
    expect((await stage.read()).trust.version('subject', subject)).toBe(erasures)
    expect(await opened(document)).toBe('open')
  })

  test('waits while an intent of the person is under way', async () => {
    stage.onPlan = () => undefined
    const intent = await stage.intent()
    await stage.send(intent)
    await stage.reaches(jtiOf(intent), 'executing')
    const body = await cosigned(await order())
    expect(await stage.sendCommand(body)).toMatchObject({ ok: false, code: 'unavailable' })
    const [plan] = stage.plansOf(intent)
    if (plan === undefined) throw new Error('no plan')
    await stage.report('g1', await stage.outcome(plan))
    await stage.reaches(jtiOf(intent), 'succeeded')
    // The same order, as soon as all of it is in the log.
    await until(async () => (await stage.sendCommand(body)).ok)
    erasures += 1
    expect(await keysOfPerson()).toEqual([])
  })
})

describe('after an erasure', () => {
  test('what was sealed about the person opens to nobody any more, and everybody else’s does', async () => {
    const { document } = await ask()
    const kid = kidOf(document)
    expect(subjectOfKey(kid)).toBe(subject)
    expect(await opened(document)).toBe('open')
    await erase()
    expect(await opened(document)).toBe('sealed')
    expect(await keysOfPerson()).toEqual([])
    const left = (await bucket()).filter(({ key }) => subjectOfKey(key) === subject)
    expect(left.map(({ key }) => key)).toContain(kid)
    expect(left.every(({ value }) => isDestroyed(value))).toBe(true)
    expect([...(await keysLeft()).keys()]).toContain('records')
  })

  test('the log tells of it with both signatures, and without a name', async () => {
    const body = await erase()
    let filed: AuditEvent | undefined
    await until(async () => {
      const events: readonly AuditEvent[] = await stage.events()
      filed = events.find(
        ({ type, detail }) => type === 'record.filed' && detail?.['id'] === subject && detail['version'] === erasures,
      )
      return filed !== undefined
    })
    expect(filed?.detail).toEqual({ kind: 'subject', id: subject, version: erasures })
    expect(filed?.documents?.map(({ digest }) => digest)).toEqual(body.split('\n').map(digestOf))
    const keys = await keysLeft()
    const command = await openDocument(filed?.documents?.[0] as EventDocument, (kid) => keys.get(kid))
    const claims = JSON.parse(
      Buffer.from((command as { jws: string }).jws.split('.')[1] ?? '', 'base64url').toString(),
    ) as Command
    expect(claims).toMatchObject({ kind: 'subject', record: { erased: true } })
  })

  test('the person is asked for again under another key, which the same order sent again leaves alone', async () => {
    const before = await ask()
    const body = await erase()
    const after = await ask()
    expect(kidOf(after.document)).toBe(`${kidOf(before.document).replace(/(q\d)-\d+$/, '$1')}-${erasures}`)
    expect(await stage.sendCommand(body)).toMatchObject({ ok: true, version: erasures })
    expect([await opened(before.document), await opened(after.document)]).toEqual(['sealed', 'open'])
    await erase()
    expect(await opened(after.document)).toBe('sealed')
  })

  test('another replica, which has the key in memory, uses it no more', async () => {
    const other = await stage.start('ig1', { heldEpochs: async () => held })
    const sealedBefore = await Promise.all(Array.from({ length: 8 }, () => ask()))
    await erase()
    const after = await Promise.all(Array.from({ length: 8 }, () => ask()))
    const old = new Set(sealedBefore.map(({ document }) => kidOf(document)))
    await until(async () => {
      const { document } = await ask()
      return !old.has(kidOf(document))
    })
    // What was sealed in between, if anything, is as unreadable as what it followed.
    for (const { document } of after) expect(await opened(document)).toBe(old.has(kidOf(document)) ? 'sealed' : 'open')
    await other[Symbol.asyncDispose]()
  })
})

/** What tells intent-gateway that the store is the plane's: a checkpoint that its log's key signed. */
async function showLog(url: string): Promise<void> {
  const { logName, dir } = stage.nats.plane
  const origin = `${logName}/2026h2`
  const signer = noteSignerOf(await openSigner(`file:${planePaths(dir).logKey}`))
  const text = formatCheckpoint({ origin, size: 1, root: new Uint8Array(32), extensions: [] })
  const store = await openStore(url)
  await store.replace(checkpointKey(origin), Buffer.from(await signer.note(origin, text)), undefined, new Date())
}

test('killed with kill -9 at any moment of it, an erasure has not begun, or is completed by the next to start', async () => {
  await running[Symbol.asyncDispose]()
  stage.store = `file:${join(stage.nats.dir, 'store')}`
  await showLog(stage.store)
  for (const afterMs of [0, 3, 8, 20, 50]) {
    const child = await stage.spawn('igk')
    const { document } = await ask()
    const body = await cosigned(await order())
    const asked = stage.sendCommand(body).catch(() => undefined)
    await sleep(afterMs)
    await kill(child)
    await asked
    await using _ = await stage.start('igk')
    if ((await stage.read()).trust.version('subject', subject) > erasures) {
      erasures += 1
      await until(async () => (await keysOfPerson()).length === 0)
      expect(await opened(document)).toBe('sealed')
    } else expect(await opened(document)).toBe('open')
  }
  // In this store it can be seen that there is no hold.
  await using _ = await stage.start('igk')
  await erase()
  expect(await keysOfPerson()).toEqual([])
}, 300_000)
