// One half of the floor: makes and takes what an intent costs, with no logic between. Forked by `floor.js`.
import crypto from 'node:crypto'
import { open } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const [root = '', url = '', redisUrl = '', folder = '', role = ''] = process.argv.slice(2)
const require = createRequire(join(root, 'packages', 'bus', 'package.json'))
const { connect } = require('@nats-io/transport-node')
const nc = await connect({ servers: url, inboxPrefix: `_INBOX_${role}` })

/** The other side: answers requests and hears what the streams announce. */
function answerer() {
  nc.subscribe('floor.ask', {
    callback: (/** @type {any} */ _error, /** @type {any} */ message) => message.respond(message.data),
  })
  nc.subscribe('floor.heard.>', { callback: () => undefined })
}

/**
 * @typedef {{ signs: number, verifies: number, signBytes: number, stored: Record<string, { n: number, bytes: number }>, queued: number,
 *   gets: number, asks: { n: number, bytes: number }, syncs: number, syncBytes: number, redis: number }} PerIntent
 */

const { privateKey, publicKey } = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' })
const signing = { key: privateKey, dsaEncoding: /** @type {const} */ ('ieee-p1363') }
const verifying = { key: publicKey, dsaEncoding: /** @type {const} */ ('ieee-p1363') }

/** A fraction of a call is made in that share of the intents. */
function times(/** @type {number} */ n, /** @type {number} */ turn) {
  return Math.floor(n * (turn + 1)) - Math.floor(n * turn)
}

/** Requests through one subscription, as @writ/bus makes them. */
const pending = new Map()
let asked = 0
nc.subscribe(`_INBOX_${role}.a.*`, {
  callback: (/** @type {any} */ _error, /** @type {any} */ message) => {
    pending.get(message.subject)?.()
    pending.delete(message.subject)
  },
})
function ask(/** @type {string} */ subject, /** @type {Uint8Array | string} */ body) {
  return new Promise((/** @type {(_: void) => void} */ resolve) => {
    const reply = `_INBOX_${role}.a.${asked++}`
    pending.set(reply, resolve)
    nc.publish(subject, body, { reply })
  })
}

/** Takes one message of the work queue as a pull consumer does, and acknowledges it. */
function take() {
  return new Promise((/** @type {(_: void) => void} */ resolve) => {
    const reply = `_INBOX_${role}.p.${asked++}`
    const subscription = nc.subscribe(reply, {
      max: 1,
      callback: (/** @type {any} */ _error, /** @type {any} */ message) => {
        message.respond('+ACK')
        subscription.unsubscribe()
        resolve()
      },
    })
    nc.publish('$JS.API.CONSUMER.MSG.NEXT.FLOOR_QUEUE.taker', '{"batch":1,"expires":30000000000}', { reply })
  })
}

/** @param {PerIntent} per @param {number} intents @param {number} inFlight */
async function work(per, intents, inFlight) {
  const { createClient } = createRequire(join(root, 'services', 'token-issuer', 'package.json'))('@redis/client')
  const redis = createClient({ url: redisUrl })
  await redis.connect()
  const file = await open(join(folder, 'synced'), 'w')
  const text = Buffer.alloc(Math.round(per.signBytes), 'a')
  const signature = crypto.sign('sha256', text, signing)
  const synced = Buffer.alloc(Math.max(1, Math.round(per.syncBytes)), 'a')
  const bodies = Object.entries(per.stored).map(([stream, { n, bytes }]) => ({
    stream,
    n,
    body: Buffer.alloc(Math.round(bytes), 'a'),
  }))
  const asks = Buffer.alloc(Math.round(per.asks.bytes), 'a')
  /** As a journal does: one flush under way, the next for all that came meanwhile. */
  let flushing = Promise.resolve()
  const sync = () => {
    flushing = flushing.then(async () => {
      await file.write(synced)
      await file.datasync()
    })
    return flushing
  }
  let turn = 0
  const one = async () => {
    const mine = turn++
    for (let n = times(per.signs, mine); n > 0; n--) crypto.sign('sha256', text, signing)
    for (let n = times(per.verifies, mine); n > 0; n--) crypto.verify('sha256', text, verifying, signature)
    for (const { stream, n, body } of bodies)
      for (let left = times(n, mine); left > 0; left--) await ask(`floor.${stream}.${mine}`, body)
    for (let n = times(per.queued, mine); n > 0; n--) await take()
    for (let n = times(per.gets, mine); n > 0; n--) await ask(`$JS.API.DIRECT.GET.FLOOR_FLUSHED.floor.FLUSHED.0`, '')
    for (let n = times(per.asks.n, mine); n > 0; n--) await ask('floor.ask', asks)
    for (let n = times(per.syncs, mine); n > 0; n--) await sync()
    for (let n = times(per.redis, mine); n > 0; n--) await redis.set(`floor:${mine}`, 'x')
  }
  const beganMs = performance.now()
  await Promise.all(
    Array.from({ length: inFlight }, async () => {
      while (turn < intents) await one()
    }),
  )
  const seconds = (performance.now() - beganMs) / 1000
  await file.close()
  redis.destroy()
  return seconds
}

process.on('message', (/** @type {any} */ { per, intents, inFlight }) => {
  work(per, intents, inFlight).then((seconds) => process.send?.({ seconds }))
})
process.on('disconnect', () => void nc.close().finally(() => process.exit()))
if (role === 'answerer') answerer()
await nc.flush()
process.send?.({ ready: true })
