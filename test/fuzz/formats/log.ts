import {
  auditEntry,
  type Checkpoint,
  consistencyRanges,
  decodeBundle,
  decodeSeal,
  decodeStaged,
  decodeTile,
  encodeBundle,
  encodeTile,
  formatCheckpoint,
  formatNote,
  formatTlogProof,
  formatVkey,
  leafHash,
  merkleRoot,
  type NoteVerifier,
  noteSignerOf,
  openCheckpoint,
  openLogCheckpoint,
  originOf,
  parseOrigin,
  parseTlogProof,
  parseVkey,
  proveConsistency,
  proveInclusion,
  type RangeHash,
  type Seal,
  type Staged,
  type TlogProof,
  verifyConsistency,
  verifyTlogProof,
} from '@writ/audit'
import { auditMessage } from '@writ/contracts'
import { parseIJson, signerOf, signJws } from '@writ/keys'
import fc from 'fast-check'
import { encodeSeal, encodeStaged } from '../../../packages/audit/src/log/seal.ts'
import { type Glimpse, glance } from '../../../packages/audit/src/read/glance.ts'
import { openEntry } from '../../../packages/audit/src/verify/open-entry.ts'
import { REGION } from '../../support/world.ts'
import { CLAIMS } from '../claims.ts'
import { bytes, type Format, format, jsonBytes, orRefused, REFUSED, textOf } from '../format.ts'
import { keyOf } from '../plant.ts'
import { anyJson, anyText, jsonText } from './json.ts'

const ORIGIN = `audit.example/${REGION}/2026h2`
const signer = noteSignerOf(signerOf(keyOf('log')))
const stranger = noteSignerOf(signerOf(keyOf('other log')))
export const pinned: NoteVerifier = signer.verifier(ORIGIN)
const timed = noteSignerOf(signerOf(keyOf('log')), {
  signer: signerOf(keyOf('clock')),
  nowSeconds: () => 1_800_000_000,
})
// Rekor's, as it is published: an ECDSA key.
const REKOR =
  'rekor.sigstore.dev+c0d23d6a+AjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNhtmPtrWm3U1eQXBogSMdGvXwBcK5AW5i0hrZLOC96l+smGNM7nwZ4QvFK/4sueRoVj//QP22Ni4Qt9DPfkWLc='
const ENTRIES = ['first', 'second', 'third', 'fourth', 'fifth'].map(bytes)
const LEAVES = ENTRIES.map(leafHash)
export const hashOf: RangeHash = async ({ start, end }) => merkleRoot(LEAVES.slice(start, end))
export const rootOf = (size: number): Uint8Array => merkleRoot(LEAVES.slice(0, size))
const D = `${'A'.repeat(42)}A`

/** A checkpoint of the log's first entries, signed. */
export async function checkpointNote(size: number, by = signer, origin = ORIGIN): Promise<string> {
  const text = formatCheckpoint({ origin, size, root: rootOf(size), extensions: [] })
  return formatNote(text, [{ verifier: by.verifier(origin), signature: await by.sign(text) }])
}

/** The documented refusal of what is no tile, bundle or seal: the callers turn it into a verdict. */
const rangeError = (error: unknown): string | undefined => (error instanceof RangeError ? 'RangeError' : undefined)

const line = fc.oneof(
  fc.constantFrom(
    '',
    '—',
    ORIGIN,
    '5',
    '0',
    '007',
    '9007199254740993',
    '-1',
    `— ${ORIGIN} `,
    'c2sp.org/tlog-proof@v1',
    'index 1',
    'extra AA==',
  ),
  fc.uint8Array({ maxLength: 40 }).map((raw) => Buffer.from(raw).toString('base64')),
  fc.uint8Array({ minLength: 32, maxLength: 32 }).map((raw) => Buffer.from(raw).toString('base64')),
  anyText(8),
)
const lines: fc.Arbitrary<Uint8Array> = fc.array(line, { maxLength: 8 }).map((all) => bytes(`${all.join('\n')}\n`))

/** Signed checkpoints. */
export async function checkpoint(): Promise<Format> {
  const both = formatNote(formatCheckpoint({ origin: ORIGIN, size: 5, root: rootOf(5), extensions: [] }), [])
  const theirs = (await checkpointNote(5, stranger)).split('\n\n')[1] ?? ''
  const ours = (await checkpointNote(5)).split('\n\n')[1] ?? ''
  const text = formatCheckpoint({ origin: ORIGIN, size: 5, root: rootOf(5), extensions: [] })
  const known = timed.verifiers(ORIGIN)
  return format<Checkpoint>({
    name: 'checkpoint',
    samples: [
      await checkpointNote(3),
      await checkpointNote(5),
      `${both}${theirs}${ours}`,
      await timed.note(ORIGIN, text),
    ].map(bytes),
    garbage: lines,
    genuine: true,
    read: (input) => {
      const opened = openCheckpoint(textOf(input), known)
      const again = openLogCheckpoint(textOf(input), known)
      return again.size === opened.size ? opened : REFUSED
    },
  })
}

export const vkey = (): Format =>
  format<NoteVerifier>({
    name: 'vkey',
    samples: [...[...timed.verifiers(ORIGIN), stranger.verifier('other.example/r/2026h1')].map(formatVkey), REKOR].map(
      bytes,
    ),
    garbage: fc
      .tuple(
        fc.string({ maxLength: 6 }),
        fc.constantFrom('', '0', '0123abcd', formatVkey(pinned).split('+')[1] ?? ''),
        line,
      )
      .map((parts) => bytes(parts.join('+'))),
    oneForm: true,
    read: (input) => {
      const text = textOf(input)
      return Buffer.from(text).equals(input) ? parseVkey(text) : REFUSED
    },
    write: (value) => bytes(formatVkey(value)),
  })

/** The parser of proofs alone. */
export async function tlogProof(): Promise<Format> {
  const proof = { index: 2, proof: await proveInclusion(2, 5, hashOf), checkpoint: await checkpointNote(5) }
  return format<TlogProof>({
    name: 'tlog-proof',
    samples: [formatTlogProof(proof), formatTlogProof({ ...proof, extra: bytes('more') })].map(bytes),
    garbage: lines,
    oneForm: true,
    read: (input) => {
      const text = textOf(input)
      return Buffer.from(text).equals(input) ? parseTlogProof(text) : REFUSED
    },
    write: (value) => bytes(formatTlogProof(value)),
  })
}

/** Proofs with their entry: what is accepted is an entry of the log at its place. */
export async function provenEntry(): Promise<Format> {
  const proofs = await Promise.all(
    [0, 2, 4].map(async (index) => ({
      entry: textOf(ENTRIES[index] as Uint8Array),
      proof: formatTlogProof({
        index,
        proof: await proveInclusion(index, 5, hashOf),
        checkpoint: await checkpointNote(5),
      }),
    })),
  )
  return format({
    name: 'proven-entry',
    samples: proofs.map(jsonBytes),
    garbage: fc
      .tuple(fc.constantFrom(...proofs), fc.constantFrom(...proofs), lines)
      .map(([a, b, text]) => jsonBytes({ entry: a.entry, proof: text.length % 2 === 0 ? b.proof : textOf(text) })),
    genuine: true,
    read: (input) => {
      const { entry, proof } = parseIJson(input)
      if (typeof entry !== 'string' || typeof proof !== 'string') return REFUSED
      const parsed = parseTlogProof(proof)
      verifyTlogProof(parsed, bytes(entry), [pinned])
      return { entry, index: parsed.index }
    },
  })
}

/** Consistency proofs: what is accepted are two states of this one log. */
export async function consistency(): Promise<Format> {
  const hex = (hash: Uint8Array): string => Buffer.from(hash).toString('hex')
  const sizes = [
    [1, 5],
    [2, 5],
    [3, 5],
    [4, 5],
    [3, 4],
    [5, 5],
  ] as const
  const samples = await Promise.all(
    sizes.map(async ([older, size]) => ({
      older,
      size,
      proof: (await proveConsistency(older, size, hashOf)).map(hex),
    })),
  )
  return format({
    name: 'consistency-proof',
    samples: samples.map(jsonBytes),
    garbage: fc
      .record({
        older: fc.integer({ min: -1, max: 8 }),
        size: fc.integer({ min: -1, max: 8 }),
        proof: fc.array(fc.constantFrom(...LEAVES.map(hex)), { maxLength: 5 }),
      })
      .map(jsonBytes),
    read: (input) => {
      const { older, size, proof } = parseIJson(input)
      if (typeof older !== 'number' || typeof size !== 'number' || !Array.isArray(proof)) return REFUSED
      // No checkpoint names a larger size, so there is no root of it.
      if (older > ENTRIES.length || size > ENTRIES.length) return REFUSED
      const [olderRoot, root] = [rootOf(Math.max(0, older)), rootOf(Math.max(0, size))]
      const hashes = proof.map((text) => Buffer.from(String(text), 'hex'))
      const holds = verifyConsistency({ older, olderRoot, size, root, proof: hashes })
      return holds ? { older, size, proof: hashes.map(hex) } : REFUSED
    },
    check: ({ older, size, proof }) => {
      if (older > size) return 'Accepted an older state that is larger.'
      const needed = older === 0 || older === size ? 0 : consistencyRanges(older, size).length
      return proof.length === needed ? undefined : 'Accepted a proof of another length.'
    },
  })
}

/** Hash tiles and bundles of entries: their only form is the one that is written. */
export const tile = (): Format =>
  format<readonly Uint8Array[]>({
    name: 'tile',
    samples: [encodeTile(LEAVES)],
    garbage: fc.uint8Array({ minLength: 150, maxLength: 170 }),
    oneForm: true,
    refusalOf: rangeError,
    read: (input) => decodeTile(input, 5),
    write: (value) => encodeTile(value),
  })

export const entryBundle = (): Format =>
  format<readonly Uint8Array[]>({
    name: 'entry-bundle',
    samples: [encodeBundle(ENTRIES), encodeBundle(['', 'x', 'yy', 'z'.repeat(300), ''].map(bytes))],
    garbage: fc.array(fc.uint8Array({ maxLength: 6 }), { minLength: 4, maxLength: 6 }).map(encodeBundle),
    oneForm: true,
    refusalOf: rangeError,
    read: (input) => decodeBundle(input, 5),
    write: (value) => encodeBundle(value),
  })

const SOURCE = 'intent-gateway/i0/b0'

/** Audit messages as the log takes them in, and as an auditor reads them. */
export async function auditEntries(): Promise<Format> {
  const source = signerOf(keyOf('source'))
  const claims = (CLAIMS[auditMessage.typ] ?? []).map((sample) => ({
    ...sample,
    aud: `writ:${REGION}`,
    iss: 'intent-gateway',
    source: SOURCE,
  }))
  const samples = await Promise.all(claims.map((value) => signJws(source, auditMessage.typ, value)))
  const unsigned = anyJson.map((value) => {
    const [header = '', , signature = ''] = (samples[0] ?? '').split('.')
    const payload = Buffer.from(JSON.stringify({ ...claims[0], events: value })).toString('base64url')
    return bytes(`${header}.${payload}.${signature}`)
  })
  return format<{ seq: number; digest: string; compact: string; read: unknown; glimpse: Glimpse | undefined }>({
    name: 'audit-entry',
    samples: samples.map(bytes),
    garbage: unsigned,
    read: (input) => {
      const glimpse = glance(input)
      const opened = openEntry(input, REGION)
      const { seq, digest, compact } = auditEntry(input, SOURCE)
      return { seq, digest, compact, read: opened?.claims, glimpse }
    },
    meaning: ({ seq, digest }) => ({ seq, digest }),
    oneForm: true,
    write: ({ compact }) => bytes(compact),
    check: ({ glimpse, read }) =>
      read !== undefined && glimpse === undefined ? 'An entry that is valid is not found.' : undefined,
  })
}

const SEAL: Seal = { n: 3, previous: { size: 3, root: D }, next: { size: 5, root: D }, staging: D }

export const seal = (): Format =>
  format<Seal>({
    name: 'seal',
    samples: [encodeSeal(SEAL), encodeSeal({ ...SEAL, successor: ORIGIN })],
    garbage: jsonText,
    // The callers turn whatever is thrown into `seal_altered`.
    refusalOf: (error) => rangeError(error) ?? (error instanceof SyntaxError ? 'SyntaxError' : undefined),
    read: decodeSeal,
    write: encodeSeal,
  })

const STAGED: Staged = {
  origin: ORIGIN,
  n: 3,
  predecessor: `audit.example/${REGION}/2026h1`,
  streams: { AUDIT: { created: '2026-11-24T10:00:00Z', seq: 4 } },
  sources: new Map([
    [SOURCE, { seq: 4, digest: D, at: 9, ahead: [[6, 7, D]], late: [D] }],
    ['gateway/g1/b0', { seq: -1, digest: '', ahead: [], late: [] }],
  ]),
  entries: ['a.b.c', 'd.e.f'],
}

export const staged = (): Format =>
  format<Staged>({
    name: 'staged-batch',
    samples: [encodeStaged(STAGED)],
    garbage: jsonText,
    refusalOf: (error) => rangeError(error) ?? (error instanceof SyntaxError ? 'SyntaxError' : undefined),
    read: decodeStaged,
    write: encodeStaged,
  })

export const origin = (): Format =>
  format<NonNullable<ReturnType<typeof parseOrigin>>>({
    name: 'log-origin',
    samples: [bytes(ORIGIN), bytes('a.b/c/0000h1')],
    garbage: fc.array(anyText(6), { maxLength: 4 }).map((parts) => bytes(parts.join('/'))),
    read: (input) => orRefused(parseOrigin(textOf(input))),
    write: ({ epoch, ...name }) => bytes(originOf(name, epoch)),
  })
