import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { directoryReader, findEntries } from '@writ/audit'
import { ensureRecord } from '@writ/cli'
import type { AuditEvent, PublicJwk, ReasonCode, RecordKind, RecordOf, StreamName } from '@writ/contracts'
import { LOCAL_ROLES } from '@writ/local'
import { enrol } from '@writ/plane'
import { expect } from 'vitest'
import type { Check } from './hostile-checks.ts'
import { type Attacker, type Fate, intentClaims } from './hostile-intents.ts'
import { type LocalStack, REGION, startLocalStack } from './local-stack.ts'
import { type LocalJson, Outsider, until } from './outsider.ts'
import { OutsiderGateway } from './outsider-gateway.ts'
import {
  type Claims,
  digest,
  freshId,
  makeKey,
  nowSeconds,
  type OutsiderKey,
  open,
  sha256,
  signed,
} from './outsider-jws.ts'
import { Lab } from './promises-lab.ts'

/** Somebody with a login, a key of theirs, and one that was theirs. */
export interface Party {
  readonly me: Outsider
  readonly removed: OutsiderKey
}

export const INTENT = 'writ-intent+jwt'
const ACTIONS = ['telemetry-read', 'restart', 'config-change', 'data-collect']
const CEILING = { users: ['u-host'], actions: ACTIONS, groups: ['host'] }
type Registered = 'agent' | 'approver' | 'operator' | 'gateway'

/** One local stack with real processes, and everybody who attacks it. */
export class HostileStage implements AsyncDisposable {
  readonly local: LocalStack
  readonly lab: Lab
  readonly plane: LocalJson
  /** In every text of theirs. */
  readonly mark: string = `zqmark${freshId().slice(0, 8)}`
  /** What was brought about here, for the check of what was not. */
  readonly codes: Set<ReasonCode> = new Set()
  readonly checks: Set<Check> = new Set()
  readonly #pids: readonly (number | undefined)[]
  readonly #opened: Outsider[] = []

  private constructor(local: LocalStack, lab: Lab, plane: LocalJson) {
    this.local = local
    this.lab = lab
    this.plane = plane
    this.#pids = local.pids()
  }

  static async open(name: string): Promise<HostileStage> {
    const local = await startLocalStack(name)
    const plane = JSON.parse(await readFile(join(local.home, 'local.json'), 'utf8')) as LocalJson
    return new HostileStage(local, await Lab.open(local), plane)
  }

  /** Enrolled, and registered unless `record` is undefined; the key that is no longer in the record was in its first version. */
  async party<K extends Registered>(
    kind: K,
    id: string,
    record: Omit<RecordOf<K>, 'keys'> | undefined,
    key?: OutsiderKey,
  ): Promise<Party> {
    const [mine, removed] = [key ?? (await makeKey()), await makeKey()]
    const outDir = this.local.stack.paths.identity(kind, id)
    await enrol(this.local.stack.plane, { kind, id, outDir })
    const jwk = (one: OutsiderKey): PublicJwk => one.jwk as PublicJwk
    if (record !== undefined) {
      const as = (keys: PublicJwk[]) => ({ ...record, keys }) as unknown as RecordOf<K>
      await this.file(kind, id, as([jwk(mine), jwk(removed)]))
      await this.file(kind, id, as([jwk(mine)]))
    }
    const me = await Outsider.connect(this.plane, outDir, mine)
    this.#opened.push(me)
    return { me, removed }
  }

  agent(id: string, more: Partial<RecordOf<'agent'>> = {}, key?: OutsiderKey): Promise<Party> {
    return this.party('agent', id, { ...CEILING, unfinished_max: 2000, ...more }, key)
  }

  async gateway(id: string): Promise<OutsiderGateway> {
    return new OutsiderGateway((await this.party('gateway', id, { jurisdiction: REGION })).me)
  }

  device(id: string, more: Partial<RecordOf<'device'>> = {}): Promise<void> {
    return this.file('device', id, {
      gateway_id: 'gw-host',
      group: 'host',
      jurisdiction: REGION,
      actions: ACTIONS,
      ...more,
    })
  }

  async file<K extends RecordKind>(kind: K, id: string, record: RecordOf<K> | null): Promise<void> {
    await ensureRecord(this.local.stack.operator, { kind, id, record, reason: 'The stage of the attack.' })
  }

  attacker({ id, aud, key }: Outsider, device = 'host-1'): Attacker {
    return { agentId: id, aud, key, user: 'u-host', device, mark: this.mark }
  }

  /** Claims that every message of a sender has. */
  envelope(by: Outsider, seconds: number): Claims {
    const iat = nowSeconds()
    return { iss: by.id, aud: by.aud, iat, exp: iat + seconds, jti: freshId() }
  }

  saw(check: Check, code: ReasonCode): void {
    this.checks.add(check)
    this.codes.add(code)
  }

  // ---- Agents -------------------------------------------------------------------------------------------------------

  async publish(by: Outsider, body: string | Uint8Array): Promise<void> {
    expect((await by.js.publish(by.at('intent', by.id), body)).stream).toBe('INTENTS')
  }

  async submit(by: Outsider, changes: Claims = {}): Promise<{ id: string; digest: string; body: string }> {
    const claims = intentClaims(this.attacker(by), changes)
    const body = await signed(by.key, INTENT, claims)
    await this.publish(by, body)
    return { id: String(claims['jti']), digest: digest(body), body }
  }

  async status(by: Outsider, id: string): Promise<Claims | undefined> {
    const compact = await by.last('STATUS', by.at('status', by.id, id))
    return compact === undefined
      ? undefined
      : (await by.fromService(compact, 'intent-gateway', 'writ-status+jwt')).claims
  }

  reaches(by: Outsider, id: string, state: string): Promise<Claims> {
    return until(`${id} is ${state}`, async () => {
      const status = await this.status(by, id)
      return status?.['state'] === state ? status : undefined
    })
  }

  refusals(code: ReasonCode): Promise<number> {
    return this.local.counter('intent-gateway', 'writ_messages_refused_total', `code="${code}"`)
  }

  /** Publishes it, and sees it refused as it must be: its status, and no other. */
  async refused(by: Outsider, bytes: string | Uint8Array, fate: Fate, code: ReasonCode): Promise<void> {
    const text = Buffer.from(bytes).toString('latin1')
    const [own, rejected] = [ownIdOf(text), `rejected-${digest(text).slice(0, 16)}`]
    const before = await this.refusals(code)
    await this.publish(by, bytes)
    const said = async (id: string | undefined) =>
      id !== undefined && (await this.status(by, id))?.['intent_digest'] === digest(text)
    if (fate === 'counted') {
      await until('it is counted', async () => (await this.refusals(code)) > before)
      expect([await said(rejected), await said(own)]).toEqual([false, false])
      return
    }
    const status = await this.reaches(by, fate === 'own' ? (own ?? '') : rejected, 'denied')
    expect([codesOf(status), status['intent_digest']]).toEqual([expect.arrayContaining([code]), digest(text)])
    // What it is not told of is not its status under the other id either.
    expect(await said(fate === 'own' ? rejected : own)).toBe(false)
  }

  // ---- Everybody who asks -------------------------------------------------------------------------------------------

  /** Sends a request and verifies the answer: it is intent-gateway's, and about exactly these bytes. */
  async asked(by: Outsider, form: 'approval' | 'command' | 'query', body: string | Uint8Array): Promise<Claims> {
    const subject = form === 'query' ? by.at(form, by.kind, by.id) : by.at(form, by.id)
    const reply = await by.ask(subject, body)
    const { claims } = await by.fromService(reply, 'intent-gateway', open(reply).typ)
    const text = Buffer.from(body).toString('latin1')
    expect(claims['request']).toBe(
      text.split('.').length === 3 ? sha256(text.slice(0, text.lastIndexOf('.'))) : sha256(Buffer.from(body)),
    )
    return claims
  }

  async operate(by: Outsider, changes: Claims): Promise<{ body: string; result: Claims }> {
    const claims = { ...this.envelope(by, 120), version: 1, reason: `An outsider operates. ${this.mark}`, ...changes }
    const body = await signed(by.key, 'writ-command+jwt', claims)
    return { body, result: await this.asked(by, 'command', body) }
  }

  async control(by: Outsider, claims: Claims, spoil: Spoil = {}): Promise<number> {
    const { seq, last } = await by.readControl()
    const whole = {
      ...{ iss: by.id, aud: by.aud, iat: nowSeconds(), jti: freshId(), prev: seq },
      ...{ reason: `An outsider withdraws. ${this.mark}`, ...claims },
    }
    const body = spoil.body ?? (await signed(spoil.key ?? by.key, spoil.typ ?? 'writ-control+jwt', whole))
    const expect = { lastSubjectSequence: last, lastSubjectSequenceSubject: by.at('control', '*') }
    const { ttl } = spoil
    return (await by.js.publish(by.at('control', by.id), body, { expect, ...(ttl !== undefined && { ttl }) })).seq
  }

  // ---- What is left behind ------------------------------------------------------------------------------------------

  /** The last sequence of streams: whether anything came of it. */
  async ends(...streams: readonly StreamName[]): Promise<readonly number[]> {
    return Promise.all(streams.map(async (name) => (await this.lab.jsm.streams.info(name)).state.last_seq))
  }

  /** Every event in the log, in its order. */
  async events(): Promise<readonly AuditEvent[]> {
    const { paths, plane } = this.local.stack
    const all: AuditEvent[] = []
    for await (const { events } of findEntries(directoryReader(paths.store), plane.logName, () => true))
      all.push(...events)
    return all
  }

  /** Everything that the log says to whoever reads it, with the signed documents in it opened. */
  async logged(): Promise<string> {
    const events = await this.events()
    const documents = events.flatMap(({ documents = [] }) => documents)
    const inside = documents.flatMap((each) => ('jws' in each ? [JSON.stringify(open(each.jws).claims)] : []))
    return [JSON.stringify(events), ...inside].join('\n')
  }

  /** What the processes wrote for people who operate them. */
  async written(): Promise<string> {
    const dir = join(this.local.home, 'logs')
    const files = await readdir(dir)
    return (await Promise.all(files.map((name) => readFile(join(dir, name), 'latin1')))).join('\n')
  }

  /** Every process is the one that was started, and ready. */
  async unharmed(): Promise<void> {
    expect(this.local.said.filter((line) => line.includes('ended by itself'))).toEqual([])
    expect(this.local.pids()).toEqual(this.#pids)
    for (const role of LOCAL_ROLES)
      expect((await fetch(`${this.local.stack.healthUrls[role]}/readyz`)).status).toBe(200)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#opened.map((each) => each[Symbol.asyncDispose]()))
    await this.lab[Symbol.asyncDispose]()
    await this.local[Symbol.asyncDispose]()
  }
}

/** How a control message is spoiled beyond its claims. */
export interface Spoil {
  readonly body?: string | Uint8Array
  readonly key?: OutsiderKey
  readonly typ?: string
  readonly ttl?: string
}

export const codesOf = (status: Claims | undefined): unknown[] =>
  ((status?.['reasons'] ?? []) as Claims[]).map((reason) => reason['code'])

function ownIdOf(compact: string): string | undefined {
  try {
    const jti = String(open(compact).claims['jti'])
    return /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(jti) && !jti.startsWith('rejected-') ? jti : undefined
  } catch {
    return undefined
  }
}

/** A text, and what it looks like inside base64 at each of the three places that it may begin at. */
export function disguises(text: string): readonly string[] {
  const inside = [0, 1, 2].map((before) => {
    const encoded = Buffer.from(`${'x'.repeat(before)}${text}`).toString('base64url')
    return encoded.slice(before === 0 ? 0 : before + 1, -3)
  })
  return [text, ...inside]
}
