import { createHash } from 'node:crypto'
import type { StoreCheck } from '@writ/contracts'
import { type Answer, said } from './answer.ts'
import type { CheckResult, CheckState } from './check-result.ts'
import type { Probe, ProbeBucket } from './probe-bucket.ts'

/** A try to undo what the lock promises, at a fresh probe of its own. */
interface Attack {
  readonly check: StoreCheck
  readonly expected: string
  /** Name of the probe's object. */
  readonly object?: string
  run(bucket: ProbeBucket, probe: Probe): Promise<Answer | Verdict>
}

interface Verdict {
  readonly state: CheckState
  readonly observed: string
}

const OTHER = Buffer.from('Other bytes.\n')
const HALF_DAY_MS = 43_200_000
const HOUR_MS = 3_600_000
/** An ETag that no object has. */
const STALE = `"${'0'.repeat(32)}"`
const PROBE_STAYS = 'the first version stays'

/** Anything between 400 and 499 is a no, and 501 is one of a server that never does such a thing; which of them is the server's habit. */
const isNo = ({ status }: Answer): boolean => (status >= 400 && status < 500) || status === 501

/** Without and with the header that lets privileged users past GOVERNANCE: COMPLIANCE must not know it. The first that is no refusal is the answer. */
async function bothWays(attempt: (bypass: boolean) => Promise<Answer>): Promise<Answer> {
  const plain = await attempt(false)
  if (!isNo(plain)) return plain
  const bypassing = await attempt(true)
  return isNo(bypassing) ? plain : bypassing
}

const earlier = (until: Date): Date => new Date(until.getTime() - HALF_DAY_MS)

export const ATTACKS: readonly Attack[] = [
  {
    check: 'double_create',
    expected: 'refused (412)',
    run: async (bucket, { key }) =>
      verdict(await bucket.put(key, OTHER, { IfNoneMatch: '*' }), ({ status }) => status === 412),
  },
  {
    check: 'stale_replace',
    expected: 'refused (412)',
    // The one key that the bucket policy lets be replaced.
    object: 'checkpoint',
    run: async (bucket, { key }) =>
      verdict(await bucket.put(key, OTHER, { IfMatch: STALE }), ({ status }) => status === 412),
  },
  {
    check: 'overwrite',
    expected: `a new version, or refused; ${PROBE_STAYS}`,
    run: async (bucket, { key }) => verdict(await bucket.put(key, OTHER, {}), () => true),
  },
  {
    check: 'wrong_checksum',
    expected: 'refused (400), nothing stored',
    run: async (bucket, { key }) => {
      const target = `${key}-damaged`
      const ChecksumSHA256 = createHash('sha256').update('What was meant.\n').digest('base64')
      const answer = await bucket.put(target, OTHER, { IfNoneMatch: '*', ChecksumSHA256 })
      if (answer.status === 400 && (await bucket.exists(target)))
        return { state: 'failed', observed: `${said(answer)}, but stored` }
      return verdict(answer, ({ status }) => status === 400)
    },
  },
  {
    check: 'delete_version',
    expected: 'refused',
    run: (bucket, { key, versionId: VersionId }) =>
      bothWays((bypass) => bucket.delete(key, { VersionId, ...(bypass && { BypassGovernanceRetention: true }) })),
  },
  {
    check: 'bulk_delete',
    expected: 'refused',
    run: (bucket, probe) => bothWays((bypass) => bucket.deleteInBulk(probe, bypass)),
  },
  {
    check: 'delete_marker',
    expected: `${PROBE_STAYS}, whatever is created over the marker`,
    run: async (bucket, { key }) => {
      const marked = await bucket.delete(key)
      if (isNo(marked)) return verdict(marked, isNo)
      const created = await bucket.put(key, OTHER, { IfNoneMatch: '*' })
      return { state: 'ok', observed: `marker allowed, creation over it ${said(created)}` }
    },
  },
  {
    check: 'shorten_retention',
    expected: 'refused',
    run: (bucket, probe) =>
      bothWays((bypass) => bucket.retain(probe, { Mode: 'COMPLIANCE', RetainUntilDate: earlier(probe.until) }, bypass)),
  },
  {
    check: 'governance_mode',
    expected: 'refused',
    run: (bucket, probe) =>
      bothWays((bypass) => bucket.retain(probe, { Mode: 'GOVERNANCE', RetainUntilDate: probe.until }, bypass)),
  },
  {
    check: 'clear_retention',
    expected: 'refused',
    run: (bucket, probe) => bothWays((bypass) => bucket.retain(probe, {}, bypass)),
  },
  {
    check: 'extend_retention',
    expected: 'allowed',
    run: async (bucket, probe) => {
      const until = new Date(probe.until.getTime() + HOUR_MS)
      const answer = await bucket.retain(probe, { Mode: 'COMPLIANCE', RetainUntilDate: until }, false)
      if (isNo(answer)) return { state: 'failed', observed: said(answer) }
      const damage = await bucket.damage({ ...probe, until })
      return { state: damage === undefined ? 'ok' : 'failed', observed: damage ?? 'allowed' }
    },
  },
]

/** Makes a probe, attacks it, and looks at what became of it: a refusal that had its effect all the same is a surprise too. */
export async function attack(bucket: ProbeBucket, { check, expected, object, run }: Attack): Promise<CheckResult> {
  const { answer, probe } = await bucket.create(object === undefined ? check : `${check}/${object}`)
  if (probe === undefined) return { check, expected, state: 'failed', observed: `no probe: ${said(answer)}` }
  const outcome = await run(bucket, probe)
  const { state, observed } = 'state' in outcome ? outcome : verdict(outcome, isNo)
  const damage = await bucket.damage(probe)
  if (damage === undefined) return { check, expected, state, observed }
  return { check, expected, state: 'failed', observed: `${observed}; ${damage}` }
}

function verdict(answer: Answer, asExpected: (answer: Answer) => boolean): Verdict {
  if (answer.byPolicy) return { state: 'by policy', observed: `refused (by policy): ${said(answer)}` }
  return { state: asExpected(answer) ? 'ok' : 'failed', observed: said(answer) }
}

/**
 * The only attack on the bucket itself, so the last and alone. On a store that lets it happen versioning is off for the three requests that it takes to see what
 * an overwrite does then, and is turned on again whatever they answer.
 */
export async function suspendVersioning(bucket: ProbeBucket): Promise<readonly CheckResult[]> {
  const [check, expected] = ['suspend_versioning', 'refused'] as const
  const { answer: made, probe } = await bucket.create(check)
  if (probe === undefined) return [{ check, expected, state: 'failed', observed: `no probe: ${said(made)}` }]
  let answer: Answer | undefined
  let damage: string | undefined
  let now: string | undefined
  try {
    answer = await bucket.setVersioning('Suspended')
    now = await bucket.versioning()
    if (now !== 'Enabled') {
      await bucket.put(probe.key, OTHER, {})
      damage = await bucket.damage(probe)
    }
  } finally {
    // An answer that got lost counts as a yes.
    if (answer === undefined || !isNo(answer) || now !== 'Enabled') await bucket.setVersioning('Enabled')
  }
  if (now === 'Enabled') return [{ check, expected, ...verdict(answer, isNo) }]
  const after = await bucket.versioning()
  return [
    { check, expected, state: 'failed', observed: `${said(answer)}; turned on again: ${after}` },
    {
      check: 'overwrite_suspended',
      expected: PROBE_STAYS,
      state: damage === undefined ? 'ok' : 'failed',
      observed: damage ?? PROBE_STAYS,
    },
  ]
}
