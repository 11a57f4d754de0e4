import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { built } from '../../lib/built.js'
import { writeLog } from './write-log.js'

const LEAVES_A_ROUND = 512

/**
 * Leaves of about `leafBytes` into a store, through the sealer: what the Merkle log itself takes. Their content is random and unsigned in all but
 * form, which is all that a writer looks at.
 *
 * @param {{ root: string, leaves: number, leafBytes: number, store?: any, name?: string }} options `store`: a directory of its own when absent
 */
export async function measureStore({ root, leaves, leafBytes, store, name = 'directory' }) {
  const { DirectoryStore } = await built(root, 'packages/worm-store')
  const { generateJwk, signerOf } = await built(root, 'packages/keys')
  const dir = await mkdtemp(join(tmpdir(), 'writ-bench-log-'))
  const leaf = leafMaker(leafBytes)
  let made = 0
  const make = async () => {
    if (made >= leaves) return undefined
    const count = Math.min(LEAVES_A_ROUND, leaves - made)
    made += count
    return Array.from({ length: count }, () => leaf())
  }
  try {
    const log = await writeLog({
      root,
      store: store ?? (await DirectoryStore.open(dir)),
      name: { domain: `bench-${randomBytes(4).toString('hex')}.example`, region: 'bench-1' },
      logKey: signerOf(generateJwk('EdDSA')),
      opening: async () => leaf('audit-sink/bench/b').body.toString('latin1'),
      make,
    })
    const { entries, sealingMs, sealMs, written, bytes } = log
    return {
      store: name,
      leafBytes: Math.round(bytes / (entries - 1)),
      leaves: entries,
      leavesPerSecond: (entries / sealingMs) * 1000,
      seals: sealMs.n,
      sealMs,
      putsPerMillion: (written.puts / entries) * 1e6,
      bytesPerMillion: (written.bytes / entries) * 1e6,
    }
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

/** @param {number} leafBytes */
function leafMaker(leafBytes) {
  const header = Buffer.from(JSON.stringify({ alg: 'ES256', kid: 'A'.repeat(43), typ: 'writ-audit+jwt' }))
  const [head, signature] = [header.toString('base64url'), Buffer.alloc(64).toString('base64url')]
  const source = 'token-issuer/bench/b'
  const empty = JSON.stringify({ source, seq: 1_000_000, fill: '' }).length
  const fill = Math.max(8, Math.floor(((leafBytes - head.length - signature.length - 2) * 3) / 4) - empty)
  let seq = 0
  let openingSeq = 0
  return (/** @type {string} */ from = source) => {
    const own = from === source ? seq++ : openingSeq++
    const text = randomBytes(fill).toString('base64url').slice(0, fill)
    const payload = Buffer.from(JSON.stringify({ source: from, seq: own, fill: text })).toString('base64url')
    const body = Buffer.from(`${head}.${payload}.${signature}`, 'latin1')
    return { stream: /** @type {const} */ ('AUDIT'), source: from, body }
  }
}
