import { fromBase64url } from '@writ/keys'
import { HASH_BYTES } from '../core/merkle.ts'
import type { SourceHead, SourceHeads } from '../core/source-heads.ts'

/** A tree: how many leaves, and its root in base64url. */
export interface TreeHead {
  readonly size: number
  readonly root: string
}

/** The reservation of seal `n`: written before anything under a log key, so that two histories would need one number twice. */
export interface Seal {
  readonly n: number
  readonly previous: TreeHead
  readonly next: TreeHead
  /** SHA-256 of the staged batch, base64url. */
  readonly staging: string
  /** Only in an epoch's last seal, which adds no leaf: the origin of the log that goes on. */
  readonly successor?: string
}

/** How far a stream has been taken in. A stream that is created again has another `created`, and its numbers mean other messages. */
export interface StreamPosition {
  readonly created: string
  readonly seq: number
}

/** What a seal adds, and everything that the next one needs to know: a restarted writer reads this one object. */
export interface Staged {
  readonly origin: string
  readonly n: number
  /** Origin of the epoch before; absent in the first. */
  readonly predecessor?: string
  /** After this batch. */
  readonly streams: Readonly<Record<string, StreamPosition>>
  /** After this batch. */
  readonly sources: SourceHeads
  /** Compact JWS in the order of their leaves; this order is how the streams interleave. */
  readonly entries: readonly string[]
}

export function encodeSeal(seal: Seal): Uint8Array {
  return encode({ ...seal })
}

/** Throws for anything but a seal's exact form. */
export function decodeSeal(bytes: Uint8Array): Seal {
  const { n, previous, next, staging, successor, ...others } = parse(bytes)
  const seal = { n: count(n), previous: treeHead(previous), next: treeHead(next), staging: hash(staging) }
  require(Object.keys(others).length === 0 && seal.n > 0)
  return successor === undefined ? seal : { ...seal, successor: text(successor) }
}

/** Entries are compact JWS, in which nothing needs to be escaped: they are the bulk of it, and copied as they are. */
export function encodeStaged({ sources, entries, ...staged }: Staged): Uint8Array {
  const head = JSON.stringify({ ...staged, sources: Object.fromEntries(sources) }).slice(0, -1)
  const bytes = Buffer.allocUnsafe(
    entries.reduce((sum, { length }) => sum + length + 3, Buffer.byteLength(head)) + FRAME.length,
  )
  let at = bytes.write(`${head},"entries":[`)
  for (const [n, entry] of entries.entries()) at += bytes.write(`${n === 0 ? '"' : ',"'}${entry}"`, at, 'latin1')
  at += bytes.write(']}\n', at)
  return bytes.subarray(0, at)
}

/** What is written around head and entries. */
const FRAME = ',"entries":[]}\n'

/** Throws for anything but a staged batch's form. Compare its digest with the seal's first. */
export function decodeStaged(bytes: Uint8Array): Staged {
  const { origin, n, predecessor, streams, sources, entries } = parse(bytes)
  require(Array.isArray(entries))
  const staged = {
    origin: text(origin),
    n: count(n),
    streams: Object.fromEntries(members(streams).map(([name, position]) => [name, streamPosition(position)])),
    sources: new Map(members(sources).map(([source, head]) => [source, sourceHead(head)])),
    entries: (entries as unknown[]).map(compact),
  }
  return predecessor === undefined ? staged : { ...staged, predecessor: text(predecessor) }
}

const encode = (value: object): Uint8Array => Buffer.from(`${JSON.stringify(value)}\n`)

function parse(bytes: Uint8Array): Record<string, unknown> {
  return Object.fromEntries(
    members(JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')) as unknown),
  )
}

function require(condition: boolean): asserts condition {
  if (!condition) throw new RangeError('not a record of this log')
}

function members(value: unknown): [string, unknown][] {
  require(typeof value === 'object' && value !== null && !Array.isArray(value))
  return Object.entries(value)
}

function text(value: unknown): string {
  require(typeof value === 'string')
  return value
}

/** Of the characters that a compact JWS has, so that nothing in it needs to be escaped. */
function compact(value: unknown): string {
  require(typeof value === 'string' && /^[\w.-]*$/.test(value))
  return value
}

function count(value: unknown): number {
  require(Number.isSafeInteger(value) && (value as number) >= 0)
  return value as number
}

function hash(value: unknown): string {
  require(fromBase64url(text(value)).length === HASH_BYTES)
  return value as string
}

function treeHead(value: unknown): TreeHead {
  const { size, root } = Object.fromEntries(members(value))
  return { size: count(size), root: hash(root) }
}

function streamPosition(value: unknown): StreamPosition {
  const { created, seq } = Object.fromEntries(members(value))
  return { created: text(created), seq: count(seq) }
}

function sourceHead(value: unknown): SourceHead {
  const { seq, digest, at, ahead, late } = Object.fromEntries(members(value))
  require(Number.isSafeInteger(seq) && (seq as number) >= -1 && Array.isArray(ahead) && Array.isArray(late))
  const runs = (ahead as unknown[]).map((run): [number, number, string] => {
    require(Array.isArray(run) && run.length === 3)
    return [count(run[0]), count(run[1]), hash(run[2])]
  })
  const head = { seq: seq as number, digest: text(digest), ahead: runs, late: (late as unknown[]).map(hash) }
  return at === undefined ? head : { ...head, at: count(at) }
}
