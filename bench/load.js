// The load generator, as its own process: agents that sign and publish intents, and hear how they end.
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { built } from './lib/built.js'
import { clockMs } from './lib/numbers.js'

const { values } = parseArgs({
  options: { root: { type: 'string' }, agents: { type: 'string' }, devices: { type: 'string' } },
})
const { root = '', agents = '', devices = '' } = values
const { openSession } = await built(root, 'packages/agent-sdk')
const { intentMessage } = await built(root, 'packages/contracts')
const { digestOf, signMessage } = await built(root, 'packages/keys')

const FINAL = new Set(['succeeded', 'failed', 'partial', 'denied', 'expired', 'cancelled', 'revoked', 'unknown'])
const targets = devices.split(',')

/** @typedef {{ digest: string, sentMs: number, ackMs?: number, endMs?: number, state?: string, ended: () => void }} Intent */
/** @type {Map<string, Intent>} */
const waiting = new Map()
/** @type {Intent[]} */
let sent = []
let refused = 0

const sessions = await Promise.all(agents.split(',').map((enrolment) => openSession({ enrolment })))
for (const session of sessions)
  await session.bus.subscribe(
    `writ.v1.${session.region}.status.${session.id}.*`,
    (/** @type {{ data: Uint8Array }} */ { data }) => heard(data),
  )

/** Statuses are believed unread here: the measured system verifies what it must, and what an agent verifies is in the floor. */
function heard(/** @type {Uint8Array} */ data) {
  const [, payload = ''] = Buffer.from(data).toString('latin1').split('.')
  const { intent_digest, state } = JSON.parse(Buffer.from(payload, 'base64url').toString())
  const intent = waiting.get(intent_digest)
  if (intent === undefined || !FINAL.has(state)) return
  waiting.delete(intent_digest)
  intent.endMs = clockMs()
  intent.state = state
  intent.ended()
}

/** A load ends when its intents have: what is left over would be the next load's. */
const DRAIN_MS = 60_000

let made = 0
/** Resolves when the intent has ended. */
async function one() {
  const session = sessions[made % sessions.length]
  const target = targets[made % targets.length] ?? ''
  made += 1
  const sentMs = clockMs()
  const iat = Math.floor(Date.now() / 1000)
  const compact = await signMessage(session.signer, intentMessage, {
    iss: session.id,
    aud: session.authority.audience,
    iat,
    exp: iat + 300,
    jti: `i${process.pid}-${made}`,
    on_behalf_of: 'u-bench',
    action: 'telemetry-read',
    targets: [target],
    purpose: 'Measured.',
  })
  const digest = digestOf(compact)
  /** @type {Intent} */
  const intent = { digest, sentMs, ended: () => undefined }
  const ended = new Promise((/** @type {(_: void) => void} */ resolve) => {
    intent.ended = resolve
  })
  waiting.set(digest, intent)
  sent.push(intent)
  try {
    await session.bus.store(session.subjects.intent(session.id), compact, { stream: 'INTENTS' })
    intent.ackMs = clockMs()
  } catch {
    refused += 1
    waiting.delete(digest)
    sent = sent.filter((other) => other !== intent)
    return
  }
  await ended
}

/** An even pace, whatever comes of the intents. */
async function atRate(/** @type {number} */ perSecond, /** @type {number} */ seconds) {
  const began = clockMs()
  /** @type {Promise<void>[]} */
  const all = []
  for (let n = 0; n < perSecond * seconds; n++) {
    const due = began + (n * 1000) / perSecond
    const early = due - clockMs()
    if (early > 0) await delay(early)
    all.push(one())
  }
  await Promise.race([Promise.all(all), delay(DRAIN_MS)])
}

/** As many at a time as told, the next when one has ended. */
async function closedLoop(
  /** @type {number} */ inFlight,
  /** @type {number} */ seconds,
  count = Number.POSITIVE_INFINITY,
) {
  const end = clockMs() + seconds * 1000
  let left = count
  await Promise.race([
    Promise.all(
      Array.from({ length: inFlight }, async () => {
        while (clockMs() < end && left-- > 0) await one()
      }),
    ),
    delay(Math.min(seconds * 1000 + DRAIN_MS, 2 ** 31 - 1)),
  ])
}

/** @param {{ rate?: number, inFlight?: number, seconds: number, count?: number }} order */
async function run({ rate, inFlight = 1, seconds, count }) {
  sent = []
  refused = 0
  const beganMs = clockMs()
  if (rate !== undefined) await atRate(rate, seconds)
  else await closedLoop(inFlight, seconds, count)
  const intents = sent.map(({ ended: _, ...intent }) => intent)
  process.send?.({ beganMs, endedMs: clockMs(), intents, refused, wallMinusClock: Date.now() - clockMs() })
}

process.on('message', (/** @type {any} */ order) => void run(order))
process.on(
  'disconnect',
  () => void Promise.all(sessions.map((session) => session[Symbol.asyncDispose]())).finally(() => process.exit()),
)
process.send?.({ ready: true })
