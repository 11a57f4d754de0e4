// One intent on a local stack of its own, and every message on its way.
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectAgent } from '@writ/agent-sdk'
import { digestOf } from '@writ/keys'
import { preparePlant, startStack } from '@writ/local'
import { claimsOf, headerOf } from './jws.js'
import { Tap } from './tap.js'

const REGION = 'eusc-de-east-1'
const GATEWAY = 'gw-press-hall'
const AGENT = 'maintenance'
const DEVICE = 'temp-11'

/**
 * One entry of the transcript. `raw` is a compact JWS where `typ` says so, else the body as it is.
 * @typedef {object} Entry
 * @property {string} name unique in the transcript; explanations are found by it
 * @property {string} [typ]
 * @property {string} [subject] absent: it travels inside another message
 * @property {string} [inside] name of the entry that carries it
 * @property {string} [reply]
 * @property {Record<string, string>} [headers]
 * @property {string} [digest]
 * @property {string} raw
 */

/** @typedef {{ readonly region: string, readonly enrolment: object, readonly entries: readonly Entry[] }} Transcript */

/**
 * @param {{ root: string, env: NodeJS.ProcessEnv, log: (line: string) => void }} options
 * @returns {Promise<Transcript>}
 */
export async function recordTranscript({ root, env, log }) {
  const home = await mkdtemp(join(tmpdir(), 'writ-transcript-'))
  try {
    const stack = await startStack({ home, root, env, region: REGION, log })
    const tap = new Tap()
    try {
      await tap.open(stack.plane)
      await preparePlant(stack, root, log)
      const enrolment = stack.paths.identity('agent', AGENT)
      const intent = await askFor(enrolment)
      const entries = await entriesOf(tap, intent)
      return {
        region: REGION,
        enrolment: JSON.parse(await readFile(join(enrolment, 'enrolment.json'), 'utf8')),
        entries,
      }
    } finally {
      await tap.close()
      await stack[Symbol.asyncDispose]()
    }
  } finally {
    await rm(home, { recursive: true, force: true })
  }
}

/** @param {string} enrolment */
async function askFor(enrolment) {
  const agent = await connectAgent({ enrolment })
  try {
    const intent = await agent.submit({
      action: 'telemetry-read',
      targets: [DEVICE],
      onBehalfOf: 'u-anna',
      purpose: 'Look at the oil temperature before the shift.',
    })
    const { status } = await intent.done()
    if (status.state !== 'succeeded') throw new Error(`The intent ended ${status.state}.`)
    return { id: intent.id, digest: intent.digest }
  } finally {
    await agent.close()
  }
}

/**
 * Picks, in the order in which one thing leads to the next, the messages that a client in another language meets.
 * @param {Tap} tap
 * @param {{ id: string, digest: string }} intent
 * @returns {Promise<Entry[]>}
 */
async function entriesOf(tap, intent) {
  const at = `writ.v1.${REGION}.`
  /** @param {string} name @param {(heard: import('./tap.js').Heard) => boolean} wanted */
  const entry = async (name, wanted) => entryOf(name, await tap.first(name, wanted))
  /** @param {string} state */
  const status = (state) =>
    entry(`status ${state}`, ({ account, subject, text }) => {
      return account === 'EDGE' && subject === `${at}status.${AGENT}.${intent.id}` && claimsOf(text)?.state === state
    })
  /** @param {string} role @param {string} type */
  const audit = (role, type) =>
    entry(`audit ${type}`, ({ account, subject, text }) => {
      if (account !== 'STORE' || !subject.startsWith(`${at}audit.${role}.`)) return false
      return claimsOf(text)?.events.some(aboutIntent(type, intent.digest))
    })
  /** @param {string} state */
  const outcome = (state) =>
    entry(`outcome ${state}`, ({ account, subject, text }) => {
      return account === 'EDGE' && subject === `${at}outcome.${GATEWAY}` && claimsOf(text)?.state === state
    })
  const asked = await entry(
    'intent',
    ({ account, subject }) => account === 'EDGE' && subject === `${at}intent.${AGENT}`,
  )
  const redeem = await entry(
    'redeem',
    ({ account, subject }) => account === 'EDGE' && subject === `${at}redeem.${GATEWAY}`,
  )
  const acted = await audit('gateway', 'action.succeeded')
  const done = claimsOf(acted.raw)
  return [
    ...(await signersRead(tap)),
    asked,
    await entry('intent stored', ({ subject }) => subject === asked.reply),
    await status('accepted'),
    await audit('intent-gateway', 'intent.accepted'),
    await audit('policy-evaluator', 'policy.decided'),
    await status('approved'),
    await audit('token-issuer', 'token.issued'),
    await audit('intent-gateway', 'plan.dispatched'),
    await entry('plan pull', ({ subject }) => subject === `$JS.API.CONSUMER.MSG.NEXT.PLANS.gateway-${GATEWAY}`),
    ...openPlan(
      await entry('plan', ({ account, subject }) => account === 'EDGE' && subject === `${at}plan.${GATEWAY}`),
    ),
    redeem,
    await audit('token-issuer', 'token.redeemed'),
    await entry('redeemed', ({ subject }) => subject === redeem.reply),
    await outcome('started'),
    await status('executing'),
    await outcome('succeeded'),
    await entry('plan ack', ({ subject, text }) => subject.startsWith('$JS.ACK.PLANS.') && text === '+ACK'),
    acted,
    await status('succeeded'),
    await entry('sealed', ({ account, subject, text }) => {
      return account === 'EDGE' && subject === `${at}sealed` && claimsOf(text)?.heads[done.source] >= done.seq
    }),
  ]
}

/** @param {string} type @param {string} digest */
function aboutIntent(type, digest) {
  return (/** @type {any} */ event) => event.type === type && event.intent_digest === digest
}

/** What a reader of a stream needs to know about an answer; other headers are the server's own or carry no authority. */
const HEADERS = ['Status', 'Nats-Subject', 'Nats-Sequence', 'Nats-Num-Pending']

/** @param {string} name @param {import('./tap.js').Heard} heard @returns {Entry} */
function entryOf(name, { subject, reply, headers, text }) {
  const shown = subject.startsWith('_INBOX_') ? HEADERS.filter((header) => headers[header] !== undefined) : []
  return {
    name,
    ...jwsFacts(text),
    subject,
    ...(reply !== undefined && { reply }),
    ...(shown.length > 0 && { headers: Object.fromEntries(shown.map((header) => [header, headers[header] ?? ''])) }),
    raw: text,
  }
}

/** @param {string} text */
function jwsFacts(text) {
  const typ = headerOf(text)?.typ
  return typ === undefined ? {} : { typ: String(typ), digest: digestOf(text.split('\n')[0] ?? '') }
}

/**
 * How the agent read SIGNERS: its request, what it needs of the answers, and the message that ends them.
 * @param {Tap} tap
 */
async function signersRead(tap) {
  const ask = await tap.first('a read of SIGNERS', ({ subject, reply }) => {
    return subject === '$JS.API.DIRECT.GET.SIGNERS' && reply?.startsWith(`_INBOX_agent_${AGENT}.`) === true
  })
  const answers = () => tap.heard.filter(({ subject }) => subject === ask.reply)
  const end = await tap.first('the end of the read', ({ subject, headers }) => {
    return subject === ask.reply && headers['Status'] !== undefined
  })
  const entries = [entryOf('signers read', ask)]
  for (const heard of answers()) {
    const claims = claimsOf(heard.text)
    if (headerOf(heard.text)?.typ === 'writ-key+jwt') entries.push(entryOf(`endorsement ${claims.role}`, heard))
    if (claims?.kind === 'gateway' && claims.id === GATEWAY) entries.push(entryOf('record gateway', heard))
  }
  const sorted = entries.slice(1).toSorted((a, b) => (a.name < b.name ? -1 : 1))
  return [...entries.slice(0, 1), ...sorted, entryOf('signers end', end)]
}

/** The plan, and the messages inside it that no other message has shown. @param {Entry} plan @returns {Entry[]} */
function openPlan(plan) {
  const { token, decision, records } = claimsOf(plan.raw)
  /** @param {string} name @param {string} raw @returns {Entry} */
  const inside = (name, raw) => ({ name, ...jwsFacts(raw), inside: 'plan', raw })
  return [
    plan,
    inside('token', token),
    inside('decision', decision),
    ...records.map((/** @type {string} */ value) => inside(`record ${claimsOf(value).kind}`, value)),
  ]
}
