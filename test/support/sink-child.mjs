// An audit-sink in a process of its own, with the real service's code, whose steps can be failed and paused. node sink-child.mjs DIR
// DIR/fault, if it is there, holds `<how>|<step>`: the next such step takes it away and is done to. DIR/hits gets a line then, DIR/notes the text of
// every note that the log key signs, whether it is stored or not.
import { appendFileSync, readFileSync, rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { noteSignerOf } from '@writ/audit'
import { readConfig, startAuditSink } from '@writ/audit-sink'
import { openSigner } from '@writ/keys'
import { runService } from '@writ/service-kit'
import { openStore } from '@writ/worm-store'

const SLOW_MS = 4000
const [dir] = process.argv.slice(2)
const config = readConfig(process.env)

/** @param {string} step */
function taken(step) {
  let how
  try {
    const [wanted, at] = readFileSync(`${dir}/fault`, 'utf8').split('|')
    if (at === step) how = wanted
  } catch {}
  if (how === undefined) return undefined
  rmSync(`${dir}/fault`)
  appendFileSync(`${dir}/hits`, `${how} ${step}\n`)
  return how
}

/**
 * @template T
 * @param {string} step
 * @param {() => Promise<T>} body
 * @returns {Promise<T>}
 */
async function around(step, body) {
  const how = taken(step)
  if (how === 'stopped right before') process.kill(process.pid, 'SIGSTOP')
  if (how === 'slow') await sleep(SLOW_MS)
  if (how === 'failed') throw new Error(`injected: ${step} failed`)
  const result = await body()
  if (how === 'killed right after') {
    process.kill(process.pid, 'SIGKILL')
    await new Promise(() => {})
  }
  if (how === 'failed but persisted') throw new Error(`injected: ${step} failed`)
  return result
}

/** @param {string} key */
function writeStepOf(key) {
  if (key.includes('.meta/staging/')) return 'stage'
  if (key.includes('.meta/seals/')) return 'reserve'
  if (key.includes('/tile/entries/')) return 'bundle'
  if (key.includes('/tile/')) return 'tile'
  if (key.includes('.meta/checkpoints/')) return 'checkpoint copy'
  return key.endsWith('/checkpoint') ? 'checkpoint' : 'other write'
}

let reserved = false
/** @param {string} key */
function readStepOf(key) {
  const step = writeStepOf(key)
  if (step === 'bundle' || step === 'tile') return 'read back'
  if (step !== 'reserve' || !reserved) return 'other read'
  reserved = false
  return 'list versions'
}

const store = await openStore(config.store)
/** @type {Pick<import('@writ/worm-store').WormStore, 'put' | 'replace' | 'get'>} */
const steps = {
  put: (key, bytes, until) =>
    around(writeStepOf(key), async () => {
      const outcome = await store.put(key, bytes, until)
      reserved ||= writeStepOf(key) === 'reserve'
      return outcome
    }),
  replace: (key, bytes, expected, until) => around(writeStepOf(key), () => store.replace(key, bytes, expected, until)),
  get: (key) => around(readStepOf(key), () => store.get(key)),
}
const stepped = new Proxy(store, {
  get: (target, name) => {
    const value = Reflect.get(name in steps ? steps : target, name)
    return typeof value === 'function' ? value.bind(target) : value
  },
})

const key = noteSignerOf(await openSigner(config.logKey))
/**
 * @template T
 * @param {string} text
 * @param {() => Promise<T>} body
 */
const noted = (text, body) =>
  around('sign', async () => {
    appendFileSync(`${dir}/notes`, `${text}\u0000`)
    return await body()
  })
/** @type {import('@writ/audit').NoteSigner} */
const signer = {
  ...key,
  sign: (text) => noted(text, () => key.sign(text)),
  note: (origin, text) => noted(text, () => key.note(origin, text)),
}

await runService('audit-sink', (signal) => startAuditSink(config, { signal, store: stepped, signer }), config)
