import { createHash, createPrivateKey, createPublicKey } from 'node:crypto'
import type { PublicJwk } from '@writ/contracts'
import { digestOf, type PrivateJwk, type Signer, signerOf } from '@writ/keys'
import {
  approvalOf,
  createSmallPlant,
  decisionOf,
  intentOf,
  nowSeconds,
  OBLIGATIONS,
  type PlanParts,
  planOf,
  type SmallPlant,
} from '../support/world.ts'

/** What the verifiers are fuzzed with. Keys and times are fixed, so a reproducer still reproduces on another day and machine. */
export interface FuzzPlant {
  readonly plant: SmallPlant
  /** When all of it was signed, NumericDate. */
  readonly now: number
  /** Whole, good plans for `g1`: one device; two devices; another intent; approved by two. */
  readonly plans: readonly PlanParts[]
}

const NOW_MS = Date.UTC(2026, 10, 24, 12)
const PKCS8_ED25519 = Buffer.from('302e020100300506032b657004220420', 'hex')

/** Ed25519 keys from a counter: their signatures are deterministic too. */
export function keyMaker(name: string): () => Signer {
  let made = 0
  return () => signerOf(keyOf(`${name} ${made++}`))
}

export function keyOf(name: string): PrivateJwk {
  const seed = createHash('sha256').update(`writ fuzz ${name}`).digest()
  const key = createPrivateKey({ key: Buffer.concat([PKCS8_ED25519, seed]), format: 'der', type: 'pkcs8' })
  const jwk = createPublicKey(key).export({ format: 'jwk' }) as unknown as PublicJwk
  return { ...jwk, d: seed.toString('base64url') }
}

let made: Promise<FuzzPlant> | undefined

export function fuzzPlant(): Promise<FuzzPlant> {
  made ??= atFixedTime(build)
  return made
}

async function build(): Promise<FuzzPlant> {
  const plant = await createSmallPlant(keyMaker('plant'))
  const intent = await intentOf(plant)
  const demanded = { ...OBLIGATIONS, approvals: { count: 2, roles: ['manager'], expires_s: 600 } }
  const shown = await decisionOf(plant, intent, {
    outcome: 'needs_approval',
    exp: nowSeconds() + 600,
    obligations: demanded,
  })
  const approvals = [await approvalOf(plant, 'p1', intent, shown), await approvalOf(plant, 'p2', intent, shown)]
  const approved = await planOf(plant, {
    intentJws: intent,
    approvals,
    earlier: [shown],
    decision: { first: digestOf(shown), shown: digestOf(shown), obligations: demanded },
  })
  const plans = [
    await planOf(plant),
    await planOf(plant, { devices: ['d1', 'd2'] }),
    await planOf(plant, { intent: { params: { level: 3, note: 'ünïcode 😀' } } }),
    approved,
  ]
  return { plant, now: nowSeconds(), plans }
}

/** Runs `work` as if it were the fixed instant; the helpers that it calls ask `Date.now`. */
export async function atFixedTime<T>(work: () => Promise<T>): Promise<T> {
  const { now } = Date
  Date.now = () => NOW_MS
  try {
    return await work()
  } finally {
    Date.now = now
  }
}
