import { createHash } from 'node:crypto'
import type { S3Client } from '@aws-sdk/client-s3'
import type { ResidencyDemand } from '@writ/contracts'
import type { S3Place } from '../s3/s3-place.ts'
import { said } from './answer.ts'
import { ATTACKS, attack, suspendVersioning } from './attacks.ts'
import { lockFacts, placeFacts } from './bucket-facts.ts'
import { type CheckResult, passes } from './check-result.ts'
import { ProbeBucket } from './probe-bucket.ts'

export interface StoreTestOptions {
  /** What the jurisdiction demands; undefined: it is in no table, which fails. */
  readonly demand: ResidencyDemand | undefined
  /** How long the sink will keep evidence. */
  readonly retentionDays: number
  readonly now?: () => Date
}

const DAY_MS = 86_400_000
const FIRST_WRITE = 'COMPLIANCE, with its SHA-256'

/**
 * Tries on the real bucket everything that its lock must not allow, with some fourteen small objects that stay locked for a day under `<prefix>/.probe/`. Also compares where the bucket is
 * with what the jurisdiction demands. Attacks are not tried where versioning or Object Lock are missing: they would prove nothing and could do harm.
 * Throws Fault `unavailable` where the server does not answer, or refuses who asks: then nothing is known.
 */
export async function testStore(
  client: S3Client,
  place: S3Place,
  { demand, retentionDays, now = () => new Date() }: StoreTestOptions,
): Promise<readonly CheckResult[]> {
  const until = new Date(Math.ceil((now().getTime() + DAY_MS) / 1000) * 1000)
  const probes = new ProbeBucket(client, place, until)
  const [where, lock] = await Promise.all([placeFacts(client, place, demand), lockFacts(client, place.bucket, probes)])
  const facts = [...jurisdictionFacts(demand, retentionDays), ...where, ...lock]
  if (!passes(lock)) return [...facts, ...notTried()]
  const first = await firstWrite(probes)
  if (first.state === 'failed') return [...facts, first, ...notTried(1)]
  const attacked = await Promise.all(ATTACKS.map((each) => attack(probes, each)))
  return [...facts, first, ...attacked, ...(await suspendVersioning(probes))]
}

export function jurisdictionFacts(demand: ResidencyDemand | undefined, retentionDays: number): readonly CheckResult[] {
  const known: CheckResult = {
    check: 'residency',
    state: demand === undefined ? 'failed' : 'ok',
    expected: 'the jurisdiction is in the table',
    observed: demand === undefined ? 'it is not' : 'it is',
  }
  if (demand === undefined) return [known]
  const { retention_days_min: min, retention_days_max: max } = demand
  return [
    known,
    {
      check: 'retention',
      state: retentionDays >= min && retentionDays <= max ? 'ok' : 'failed',
      expected: `${min} to ${max} days`,
      observed: `${retentionDays} days`,
    },
  ]
}

async function firstWrite(probes: ProbeBucket): Promise<CheckResult> {
  const about = { check: 'first_write', expected: FIRST_WRITE } as const
  const { answer, probe } = await probes.create('first_write')
  if (probe === undefined) {
    const observed = answer.code === 'allowed' ? 'stored without a version' : said(answer)
    return { ...about, state: 'failed', observed }
  }
  const damage = await probes.damage(probe)
  if (damage !== undefined) return { ...about, state: 'failed', observed: damage }
  const kept = await probes.checksum(probe)
  const own = createHash('sha256').update(probe.bytes).digest('base64')
  if (kept !== own)
    return {
      ...about,
      state: 'failed',
      observed: `the server’s SHA-256 is ${kept === undefined ? 'missing' : 'another'}`,
    }
  return { ...about, state: 'ok', observed: FIRST_WRITE }
}

function notTried(from = 0): readonly CheckResult[] {
  const rest = [
    { check: 'first_write', expected: FIRST_WRITE } as const,
    ...ATTACKS,
    { check: 'suspend_versioning', expected: 'refused' } as const,
  ]
  return rest.slice(from).map(({ check, expected }) => ({ check, expected, state: 'not tried', observed: '' }))
}
