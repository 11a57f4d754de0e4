import { randomBytes } from 'node:crypto'
import { built } from '../../lib/built.js'
import { describeMachine } from '../../lib/measure.js'
import { machineBusyMs } from '../../lib/processes.js'
import { startBenchS3 } from './bench-s3.js'
import { drain, eventToCheckpoint } from './sink-run.js'
import { openSinkStage } from './sink-stage.js'
import { measureStore } from './store-run.js'
import { measureTessera } from './tessera-run.js'
import { measureVerify } from './verify-run.js'

export const PARTS = /** @type {const} */ (['store', 'tessera', 'sink', 's3', 'latency', 'backlog', 'verify'])

/**
 * @typedef {{
 *   root: string, log: (line: string) => void, parts: ReadonlySet<string>,
 *   leaves: number, messages: number, backlog: number, events: readonly number[],
 * }} AuditOptions
 */

/** @param {AuditOptions} options */
export async function measureAudit(options) {
  const { root, log, parts, leaves } = options
  const machine = await describeMachine(root)
  const leafBytes = 1200
  const otherCores = await idleUse()
  const stores = []
  if (parts.has('store')) {
    log('the Merkle log alone …')
    stores.push(await measureStore({ root, leaves, leafBytes }))
  }
  const tessera = parts.has('tessera') ? await measureTessera({ leaves, leafBytes, log }) : undefined
  const s3 = parts.has('s3') ? await startBenchS3({ root, log }) : undefined
  try {
    if (s3 !== undefined) {
      const { openStore } = await built(root, 'packages/worm-store')
      const store = await openStore(s3.url(`store-${randomBytes(4).toString('hex')}`))
      stores.push(await measureStore({ root, leaves: Math.ceil(leaves / 4), leafBytes, store, name: 'S3 (versitygw)' }))
    }
    return {
      machine,
      otherCores,
      stores,
      tessera,
      ...(await measureSinks(options, s3)),
      verify: await verifications(options),
    }
  } finally {
    await s3?.stop()
  }
}

/** @typedef {Awaited<ReturnType<typeof measureAudit>>} MeasuredAudit */

/** @param {AuditOptions} options @param {Awaited<ReturnType<typeof startBenchS3>>} s3 */
async function measureSinks({ root, log, parts, messages, backlog }, s3) {
  const sinks = []
  /** @type {Awaited<ReturnType<typeof eventToCheckpoint>> | undefined} */
  let latency
  if (parts.has('sink') || parts.has('latency')) {
    const stage = await openSinkStage({ root, log })
    try {
      if (parts.has('sink'))
        sinks.push({ store: 'a directory', ...(await drain(stage, { messages, kind: 'typical' })) })
      if (parts.has('latency')) latency = await eventToCheckpoint(stage, { perSecond: 100, seconds: 20 })
    } finally {
      await stage.close()
    }
  }
  if (s3 !== undefined) {
    const storeUrl = s3.url(`sink-${randomBytes(4).toString('hex')}`)
    const stage = await openSinkStage({ root, log, storeUrl, sinkEnv: s3.env })
    try {
      sinks.push({
        store: 'S3 (versitygw)',
        ...(await drain(stage, { messages: Math.ceil(messages / 4), kind: 'typical' })),
      })
    } finally {
      await stage.close()
    }
  }
  if (!parts.has('backlog')) return { sinks, latency }
  const stage = await openSinkStage({ root, log })
  try {
    return { sinks, latency, backlog: await drain(stage, { messages: backlog, kind: 'small' }) }
  } finally {
    await stage.close()
  }
}

/** @param {AuditOptions} options */
async function verifications({ root, log, parts, events }) {
  const found = []
  if (parts.has('verify')) for (const count of events) found.push(await measureVerify({ root, events: count, log }))
  return found
}

const IDLE_MS = 2000

/** Cores that other programs use while nothing of ours runs. */
async function idleUse() {
  const before = await machineBusyMs()
  await new Promise((resolve) => setTimeout(resolve, IDLE_MS))
  return ((await machineBusyMs()) - before) / IDLE_MS
}
