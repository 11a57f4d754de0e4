import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  isDestroyed,
  quartersOfEpoch,
  quartersUntil,
  type SubjectKeyStore,
  type SubjectKeys,
  subjectKeyId,
} from '@writ/audit'
import type { FiledRecord, TrustStore } from '@writ/authority'
import { coalesce } from '@writ/bus'
import { Fault } from '@writ/contracts'
import { writeFileDurably } from '@writ/durable'
import { z } from 'zod'

/** The store of wrapped keys, from which they can be taken. */
export interface ErasableKeys extends SubjectKeyStore {
  /** Puts a mark in the key's place, durable before it resolves. The wrapped bytes are gone from the store. */
  destroy(keyId: string): Promise<void>
}

export interface SubjectEraserOptions {
  readonly keys: Pick<SubjectKeys, 'forget'>
  readonly store: ErasableKeys
  readonly trust: Pick<TrustStore, 'ids' | 'record'>
  /** Reads REGISTRY to its end. Throws Fault `unavailable`. */
  readonly readRegistry: () => Promise<void>
  /** Resolves when the operators' command is durable in the log's stream. Throws Fault `unavailable`. */
  readonly record: (erasure: FiledRecord<'subject'>) => Promise<void>
  /** Names of the epochs of the log that are under legal hold. Throws Fault `unavailable` when that cannot be told. */
  readonly heldEpochs: () => Promise<readonly string[]>
  /** How many intents and approvals of a person are not settled. */
  readonly unsettled: (subject: string) => number
  /** Lets go of what this instance keeps of a person beside the keys: outcomes that wait, and what it refused for good. */
  readonly forgetBeside: (subject: string) => Promise<void>
  readonly stateDir: string
  readonly nowMs: () => number
}

interface Key {
  readonly kid: string
  readonly quarter: string
  readonly stored: Uint8Array | undefined
}

const isPresent = ({ stored }: Key): boolean => stored !== undefined && !isDestroyed(stored)

const Done = z.record(z.string(), z.int())

/**
 * Destroys a person's keys as operators have ordered (records of kind `subject`): version n destroys every key that was made while n − 1 was in
 * force, of every quarter, and no later one, so that doing it again changes nothing. Each instance does it for each record once, at the latest
 * when it starts again: an erasure that was filed is completed, whoever took the command and died.
 */
export class SubjectEraser {
  /** Carries out what was filed and is not done yet. Throws Fault `unavailable`: it goes on from there at the next call. */
  readonly catchUp: () => Promise<void>
  readonly #options: SubjectEraserOptions
  #done: Readonly<Record<string, number>>

  private constructor(options: SubjectEraserOptions, done: Readonly<Record<string, number>>) {
    this.#options = options
    this.#done = done
    this.catchUp = coalesce(() => this.#catchUp())
  }

  /** What the directory remembers is for not doing it at every boot; where that cannot be read it is done again, which changes nothing. */
  static async open(options: SubjectEraserOptions): Promise<SubjectEraser> {
    const text = await readFile(pathIn(options.stateDir), 'utf8').catch(() => '{}')
    return new SubjectEraser(options, parsed(text))
  }

  /**
   * Before the command is filed. Throws Fault `constraint_failed` where a key is of the time of an epoch under legal hold, and `unavailable`
   * while something of the person is under way: its evidence would be sealed under a key that is destroyed meanwhile.
   */
  async assertMay(subject: string, version: number): Promise<void> {
    const held = await this.#held(await this.#all(subject, version))
    if (held !== undefined) throw new Fault('constraint_failed', { message: held })
    const unsettled = this.#options.unsettled(subject)
    if (unsettled > 0)
      throw new Fault('unavailable', {
        message: `${unsettled} intents of this person are not settled. Ask again when they are; a revoke of the user keeps new ones away.`,
      })
  }

  /**
   * Resolves when the keys are gone. The record must be in the log before it. Throws Fault `unavailable`: the same call again completes it. So it does
   * while a hold that was placed after the command was filed keeps one of the keys that are left: none of them is destroyed.
   */
  async erase(erasure: FiledRecord<'subject'>): Promise<void> {
    const { record, keys, store, forgetBeside, nowMs } = this.#options
    const { id, version } = erasure
    await record(erasure)
    const now = quartersUntil(nowMs()).slice(-3)
    const all = await this.#all(id, version)
    if (all.some(isPresent)) {
      const held = await this.#held(all)
      if (held !== undefined) throw new Fault('unavailable', { message: `${held} The erasure waits.` })
    }
    for (const { kid, quarter, stored } of all) {
      // Where a replica may not know of the record yet, a mark keeps it from making the key.
      if (stored === undefined ? !now.includes(quarter) : isDestroyed(stored)) continue
      await store.destroy(kid)
      const left = await store.get(kid)
      if (left === undefined || !isDestroyed(left))
        throw new Fault('unavailable', { message: 'A key that was destroyed can still be read.' })
    }
    keys.forget(id)
    await forgetBeside(id)
    await this.#keep(id, version)
  }

  async #catchUp(): Promise<void> {
    const { trust, readRegistry } = this.#options
    await readRegistry()
    const problems: unknown[] = []
    for (const id of trust.ids('subject')) {
      const erasure = trust.record('subject', id)
      if (erasure === undefined || erasure.version <= (this.#done[id] ?? 0)) continue
      // One that has to wait keeps no other waiting.
      await this.erase(erasure).catch((error: unknown) => problems.push(error))
    }
    if (problems.length > 0) throw problems[0]
  }

  /** Why keys are kept that are still there; undefined: nothing holds them. Throws Fault `unavailable` when that cannot be told. */
  async #held(all: readonly Key[]): Promise<string | undefined> {
    const held = await this.#options.heldEpochs()
    const quarters = new Set(held.flatMap(quartersOfEpoch))
    const kept = all.filter((key) => isPresent(key) && quarters.has(key.quarter)).map(({ quarter }) => quarter)
    return kept.length === 0 ? undefined : `Under legal hold (${held.join(', ')}): keys of ${kept.join(', ')} are kept.`
  }

  /** Every key that a person can have had before a version, and what lies there now. */
  async #all(subject: string, version: number): Promise<readonly Key[]> {
    const { store, nowMs } = this.#options
    const erasures = Array.from({ length: version }, (_, n) => n)
    const ids = quartersUntil(nowMs()).flatMap((quarter) =>
      erasures.map((n) => ({ quarter, kid: subjectKeyId(subject, quarter, n) })),
    )
    return Promise.all(ids.map(async (id) => ({ ...id, stored: await store.get(id.kid) })))
  }

  async #keep(id: string, version: number): Promise<void> {
    this.#done = { ...this.#done, [id]: Math.max(version, this.#done[id] ?? 0) }
    await writeFileDurably(pathIn(this.#options.stateDir), `${JSON.stringify(this.#done)}\n`)
  }
}

function pathIn(stateDir: string): string {
  return join(stateDir, 'subjects-erased.json')
}

function parsed(text: string): Readonly<Record<string, number>> {
  try {
    return Done.parse(JSON.parse(text))
  } catch {
    return {}
  }
}
