import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { JsonObject, StoreStatement } from '@writ/contracts'
import { openSigner, readResidency } from '@writ/keys'
import type { EarlyContext } from '@writ/service-kit'
import {
  type CheckResult,
  directoryResults,
  jurisdictionFacts,
  type KeyDescription,
  keyFact,
  openS3Client,
  parseS3Url,
  problemOf,
  statementOf,
  testStore,
} from '@writ/worm-store'
import type { Config } from './config.ts'
import { mayUseStore } from './core/may-use-store.ts'
import { measureStore } from './metrics.ts'

/**
 * Asks of the store, once at each boot, what a log needs of it, before anything else is done; returns what `source.started` says of it. Where a check fails and nothing
 * allows that, the process stays alive and not ready, naming the checks, and goes no further until it is stopped: a restart asks again.
 */
export async function proveStore(config: Config, early: EarlyContext): Promise<JsonObject> {
  const { health, log, metrics, region, signal, wait } = early
  const measure = measureStore(metrics)
  const keys = await describeKeys(config, early)
  const { kind, results, residency_sha256 } = await wait(
    'testing the store',
    lessAndLess(signal, () => lookAtStore(config, region, keys)),
  )
  const statement = statementOf(kind, results, {
    ...(residency_sha256 !== undefined && { residency_sha256 }),
    ...(config.storeUnproven !== undefined && { unproven: config.storeUnproven }),
  })
  measure(statement)
  const problem = problemOf(results)
  if (mayUseStore(results, { mode: config.mode, ...unprovenOf(config) })) {
    if (problem === undefined) log.info({ kind }, 'the store is proven')
    else log.warn({ failed: statement.failed }, `${problem} It is used all the same.`)
    return { store: { ...statement } }
  }
  const said = problem ?? 'The store is not proven.'
  health.check('store', () => said)
  health.starting('refused: the store')
  log.fatal({ failed: statement.failed }, `${said} No log is opened in it; the process waits to be stopped.`)
  if (!signal.aborted) await once(signal, 'abort')
  throw signal.reason as Error
}

const unprovenOf = ({ storeUnproven }: Config) => (storeUnproven === undefined ? {} : { unproven: storeUnproven })

const PAUSE_MAX_MS = 30_000

/** A test that gets no answer at its end has left its probes: the next one comes later and later. */
function lessAndLess<T>(signal: AbortSignal, look: () => Promise<T>): () => Promise<T> {
  let pauseMs = 0
  return async () => {
    await sleep(pauseMs, undefined, { signal })
    pauseMs = Math.min(PAUSE_MAX_MS, Math.max(500, pauseMs * 2))
    return await look()
  }
}

type Keys = readonly (readonly [check: 'log_key' | 'cosign_key', described: KeyDescription | undefined])[]

/** What their KMS says of the keys that vouch for the log. */
async function describeKeys({ logKey, cosignKey }: Config, { openKey }: EarlyContext): Promise<Keys> {
  const describe = async (what: string, reference: string): Promise<KeyDescription | undefined> =>
    (await openKey(what, reference, (kms) => openSigner(reference, kms))).kms
  const log = ['log_key', await describe('the log key', logKey)] as const
  return cosignKey === undefined ? [log] : [log, ['cosign_key', await describe('the cosigning key', cosignKey)]]
}

interface Looked {
  readonly kind: StoreStatement['kind']
  readonly results: readonly CheckResult[]
  readonly residency_sha256?: string
}

async function lookAtStore(config: Config, region: string, keys: Keys): Promise<Looked> {
  const residency = config.residency === undefined ? undefined : await readResidency(config.residency)
  const demand = residency?.demandOf(region)
  const facts = keys.map(([check, described]) => keyFact(check, described, demand))
  const digest = residency === undefined ? {} : { residency_sha256: residency.sha256 }
  const { retentionDays } = config
  if (!config.store.startsWith('s3:')) {
    const demanded = residency === undefined ? [] : [...jurisdictionFacts(demand, retentionDays), ...facts]
    return { kind: 'directory', results: [...demanded, ...directoryResults()], ...digest }
  }
  const client = await openS3Client()
  try {
    const results = await testStore(client, parseS3Url(config.store), { demand, retentionDays })
    return { kind: 's3', results: [...results, ...facts], ...digest }
  } finally {
    client.destroy()
  }
}
