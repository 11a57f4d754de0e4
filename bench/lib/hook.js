// Loaded into every Node process of a counted run (`node --import`). It counts what the floor is made of, and profiles, between two
// SIGUSR2; it changes nothing of what the program does.
import crypto from 'node:crypto'
import { writeFileSync } from 'node:fs'
import fsPromises from 'node:fs/promises'
import { Session } from 'node:inspector'
import { createRequire, syncBuiltinESMExports } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const { searchParams } = new URL(import.meta.url)
const folder = searchParams.get('folder') ?? '/tmp'
const root = searchParams.get('root') ?? process.cwd()
const profiled = searchParams.get('profile') === '1'
const main = process.argv[1] ?? ''
// services/<role>/dist/main.js, or a file of the benchmark.
const name = main.includes('/services/') ? basename(dirname(dirname(main))) : basename(main, '.js')

/** @type {Map<string, { n: number, bytes: number }>} */
let counts = new Map()
let counting = false

function count(/** @type {string} */ what, bytes = 0) {
  if (!counting) return
  const so = counts.get(what) ?? { n: 0, bytes: 0 }
  so.n += 1
  so.bytes += bytes
  counts.set(what, so)
}

/** @param {any} owner @param {string} method @param {(...args: any[]) => void} note */
function watch(owner, method, note) {
  const original = owner[method]
  owner[method] = function watched(/** @type {any[]} */ ...args) {
    note(...args)
    return original.apply(this, args)
  }
}

const kindOf = (/** @type {any} */ key) => (key?.key ?? key)?.asymmetricKeyType ?? 'ec'
watch(crypto, 'sign', (_algorithm, data, key) => count(`sign ${kindOf(key)}`, data.length))
watch(crypto, 'verify', (_algorithm, data, key) => count(`verify ${kindOf(key)}`, data.length))
syncBuiltinESMExports()

const handle = await fsPromises.open(fileURLToPath(import.meta.url))
const prototype = Object.getPrototypeOf(handle)
await handle.close()
watch(prototype, 'sync', () => count('fsync'))
watch(prototype, 'datasync', () => count('fdatasync'))

// Through the package that @writ/bus depends on, so that it is the very class which the program uses.
const load = createRequire(join(root, 'packages', 'bus', 'package.json'))
const { NatsConnectionImpl } = load('@nats-io/nats-core/internal')
watch(NatsConnectionImpl.prototype, 'publish', (subject, body) =>
  count(`publish ${classOf(subject)}`, body?.length ?? 0),
)

function classOf(/** @type {string} */ subject) {
  const parts = subject.split('.')
  if (subject.startsWith('$JS.ACK.')) return `ack ${parts[2] === '_' ? parts[4] : parts[2]}`
  if (subject.startsWith('$JS.API.CONSUMER.MSG.NEXT.')) return `pull ${parts[5]}`
  if (subject.startsWith('$JS.API.DIRECT.GET.')) return `get ${parts[4]}`
  if (subject.startsWith('$KV.')) return `kv ${parts[1]}`
  if (subject.startsWith('writ.v1.')) return parts[3] === 'rpc' ? `rpc ${parts[4]}` : `${parts[3]}`
  return subject.startsWith('_R_') || subject.startsWith('_INBOX') ? 'answer' : (parts[0] ?? '')
}

const session = new Session()
if (profiled) {
  session.connect()
  session.post('Profiler.enable')
  session.post('Profiler.setSamplingInterval', { interval: 500 })
}

process.on('SIGUSR2', () => {
  counting = !counting
  if (counting) {
    counts = new Map()
    if (profiled) session.post('Profiler.start')
    return
  }
  const file = join(folder, `${name}-${process.pid}`)
  writeFileSync(`${file}.counts.json`, JSON.stringify(Object.fromEntries(counts)))
  if (profiled)
    session.post('Profiler.stop', (error, result) => {
      if (error === null) writeFileSync(`${file}.cpuprofile`, JSON.stringify(result.profile))
    })
})
