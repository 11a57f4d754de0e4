import { setTimeout as delay } from 'node:timers/promises'
import { LOCAL_ROLES } from '@writ/local'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FORMS, type Good } from './support/hostile-forms.ts'
import { HOSTILE_INTENTS, intentClaims } from './support/hostile-intents.ts'
import { MemorySamples, median } from './support/hostile-memory.ts'
import { codesOf, disguises, HostileStage, INTENT, type Party } from './support/hostile-stage.ts'
import { type Outsider, until } from './support/outsider.ts'
import { freshId, makeKey, type OutsiderKey, signed } from './support/outsider-jws.ts'

// One agent sends as much as it can, or has as much waiting as its record allows. Nobody else may notice.

/** `WRIT_HOSTILE=100000` for the whole; a few thousand show what grows or starves. */
const { WRIT_HOSTILE } = process.env
const MESSAGES = Number(WRIT_HOSTILE ?? 5000)
const WAITING = 1000
const WORKERS = 24
/** What a process may hold more at the end than when it was warm: names that are remembered, and in NATS a status for each message whose sender is told. */
const GROWTH_MIB_MAX = 64
/** Another agent's median may become so many times as long, on a machine that has the whole plane and the attack on it. */
const SLOWER_MAX = 20
const SLOW_MS = 1500

let stage: HostileStage
let flooder: Party
let strangers: readonly OutsiderKey[]

beforeAll(async () => {
  stage = await HostileStage.open('flood')
  await stage.gateway('gw-host')
  flooder = await stage.agent('host-agent')
  strangers = [await makeKey(), await makeKey()]
  await stage.device('host-1')
  await stage.device('host-people', {
    floors: { 'telemetry-read': { approvals: { count: 1, roles: ['shift-lead'] } } },
  })
  await stage.party('approver', 'host-pat', { user: 'u-pat', roles: ['shift-lead'] })
})
afterAll(() => stage?.[Symbol.asyncDispose]())

const AT_THE_DOOR = HOSTILE_INTENTS.filter(({ fate }) => fate !== 'own')
const DENIED = HOSTILE_INTENTS.filter(({ fate }) => fate === 'own')
/** The table of hostile-messages.test.ts, and one intent that is good until a record or policy denies it. */
const CYCLE = FORMS.length + AT_THE_DOOR.length + 1

/** The next message of the attack. */
async function hostile(n: number, by: Outsider): Promise<string | Uint8Array> {
  const index = n % CYCLE
  const [another, anotherRole] = strangers as [OutsiderKey, OutsiderKey]
  const attacker = stage.attacker(by)
  const good: Good = {
    ...{ key: by.key, typ: INTENT, claims: intentClaims(attacker), mark: stage.mark, serviceKid: freshId() },
    ...{ bytesMax: 32_768, lifetimeSecondsMax: 600, another, anotherRole, removed: flooder.removed },
  }
  const row = FORMS[index] ?? AT_THE_DOOR[index - FORMS.length] ?? DENIED[Math.floor(n / CYCLE) % DENIED.length]
  if (row === undefined) throw new Error('the table is empty')
  return 'fate' in row ? row.body(attacker) : row.body(good)
}

const unsignedAt = (n: number): boolean => FORMS[n % CYCLE]?.signed === false

/** Publishes all of them, as fast as the stream takes them. */
async function publishAll(
  by: Outsider,
  count: number,
  make: (n: number) => Promise<string | Uint8Array>,
): Promise<void> {
  let next = 0
  const work = async () => {
    for (let n = next++; n < count; n = next++) {
      const body = await make(n)
      while (!(await taken(by, body))) await delay(5)
    }
  }
  await Promise.all(Array.from({ length: WORKERS }, work))
}

/** No: the sender's part of the stream is full, and this is to be sent again. */
async function taken(by: Outsider, body: string | Uint8Array): Promise<boolean> {
  try {
    await by.js.publish(by.at('intent', by.id), body, { timeout: 20_000 })
    return true
  } catch (error) {
    if ((error as { code?: unknown }).code === 10077) return false
    throw error
  }
}

/** How long another agent's read takes from asking to its end, in ms. Throws unless it succeeds. */
async function read(): Promise<number> {
  const startMs = performance.now()
  const status = await stage.lab.end(await stage.lab.submit(['temp-11']))
  expect([status.state, status.reasons]).toEqual(['succeeded', []])
  return performance.now() - startMs
}

async function reads(count: number): Promise<number[]> {
  const tookMs: number[] = []
  for (let n = 0; n < count; n++) tookMs.push(await read())
  return tookMs
}

/** Reads as long as the work goes on. */
async function readsWhile(work: Promise<void>): Promise<number[]> {
  const tookMs: number[] = []
  let going = true
  const done = work.finally(() => {
    going = false
  })
  done.catch(() => undefined)
  while (going) {
    tookMs.push(await read())
    await delay(50)
  }
  await done
  return tookMs
}

function unharmed(before: readonly number[], during: readonly number[]): void {
  const [was, is] = [median(before), median(during)]
  expect(is, `reads took ${was.toFixed()} ms before and ${is.toFixed()} ms during`).toBeLessThan(
    Math.max(SLOW_MS, was * SLOWER_MAX),
  )
}

const processes = (): ReadonlyMap<string, number> =>
  new Map(
    [...LOCAL_ROLES, 'nats-server', 'redis-server', 'gw-press-hall', 'gw-packaging'].flatMap((name) => {
      const pid = stage.local.stack.pidOf(name)
      return pid === undefined ? [] : [[name, pid] as const]
    }),
  )

const report = (figures: object): void => {
  if (WRIT_HOSTILE !== undefined) process.stderr.write(`${JSON.stringify(figures)}\n`)
}

const fixed = (values: readonly number[]) => {
  const sorted = values.toSorted((a, b) => a - b)
  return {
    p50: Math.round(median(sorted)),
    p95: Math.round(sorted[Math.floor(sorted.length * 0.95)] ?? 0),
    of: sorted.length,
  }
}

describe(`${MESSAGES} hostile messages of one agent`, () => {
  test('grow no process, starve nobody, and are counted once a second', async () => {
    const before = await reads(20)
    const [plans, uses] = await stage.ends('PLANS', 'KV_uses')
    const sized = await stage.ends('STATUS', 'AUDIT', 'KV_intents')
    using memory = new MemorySamples(processes())
    const startMs = performance.now()
    const during = await readsWhile(publishAll(flooder.me, MESSAGES, (n) => hostile(n, flooder.me)))
    await until(
      'all are handled',
      async () => {
        const { num_pending, num_ack_pending } = await stage.lab.jsm.consumers.info('INTENTS', 'intent-gateway')
        return num_pending + num_ack_pending === 0
      },
      60_000,
    )
    const seconds = (performance.now() - startMs) / 1000
    const growth = memory.growth()
    const after = await stage.ends('STATUS', 'AUDIT', 'KV_intents')
    report({
      ...{ messages: MESSAGES, seconds: Math.round(seconds), before: fixed(before), during: fixed(during) },
      mib: Object.fromEntries(
        [...growth].map(([name, { early, late }]) => [name, [Math.round(early), Math.round(late)]]),
      ),
      streams: Object.fromEntries(
        ['STATUS', 'AUDIT', 'KV_intents'].map((name, n) => [name, (after[n] ?? 0) - (sized[n] ?? 0)]),
      ),
    })
    unharmed(before, during)
    for (const [name, { early, late }] of growth)
      expect(late - early, `${name} holds ${early.toFixed()} MiB, then ${late.toFixed()} MiB`).toBeLessThan(
        GROWTH_MIB_MAX,
      )
    // Plans and uses are those of the other agent's reads.
    const [plansAfter, usesAfter] = await stage.ends('PLANS', 'KV_uses')
    expect((plansAfter ?? 0) - (plans ?? 0)).toBe(during.length)
    expect((usesAfter ?? 0) - (uses ?? 0)).toBeLessThanOrEqual(4 * during.length)
    await stage.unharmed()
  }, 3_600_000)

  test('leave at most one count an id and code and second, and nothing of their text', async () => {
    const counts = new Map<string, { at: number; count: number }[]>()
    await until(
      'the log has it',
      async () => {
        counts.clear()
        for (const { type, timestamp, detail, reasons } of await stage.events()) {
          if (type !== 'messages.refused') continue
          const name = `${String(detail?.['id'])} ${String(reasons)}`
          counts.set(name, [
            ...(counts.get(name) ?? []),
            { at: Date.parse(timestamp), count: Number(detail?.['count']) },
          ])
        }
        const sum = [...counts.values()].flat().reduce((all, { count }) => all + count, 0)
        return sum === unsigned
      },
      60_000,
    )
    for (const [name, told] of counts)
      for (const [n, { at }] of told.entries())
        expect(at - (told[n - 1]?.at ?? 0), `${name} is told twice in a second`).toBeGreaterThan(950)
    const [log, written] = [await stage.logged(), await stage.written()]
    for (const text of disguises(stage.mark))
      expect([log.includes(text), written.includes(text)]).toEqual([false, false])
  }, 120_000)

  /** How many of the messages nobody has signed. */
  const unsigned = Array.from({ length: MESSAGES }, (_, n) => n).filter(unsignedAt).length
})

describe(`${WAITING} intents of one agent that wait for people`, () => {
  test('do not delay another agent’s read', async () => {
    const { me } = await stage.agent('host-patient', { unfinished_max: WAITING })
    const before = await reads(20)
    const ids: string[] = []
    const ask = async () => {
      const claims = intentClaims(stage.attacker(me), { targets: ['host-people'], jti: freshId() })
      ids.push(String(claims['jti']))
      return signed(me.key, INTENT, claims)
    }
    const coming = await readsWhile(publishAll(me, WAITING, ask))
    for (const id of ids) await stage.reaches(me, id, 'needs_approval')
    const waiting = await reads(20)
    report({ waiting: WAITING, before: fixed(before), coming: fixed(coming), while: fixed(waiting) })
    unharmed(before, coming)
    unharmed(before, waiting)
    const more = await stage.submit(me, { targets: ['host-people'] })
    expect(codesOf(await stage.reaches(me, `rejected-${more.digest.slice(0, 16)}`, 'denied'))).toEqual(['rate_limited'])
    await stage.unharmed()
  }, 600_000)
})
