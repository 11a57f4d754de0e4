import { AUDIT_BYTES_MAX } from '@writ/contracts'
import { parseJws } from '@writ/keys'
import { type AuditEntry, auditEntry } from '../core/audit-entry.ts'
import { enter, type SourceHead, type SourceHeads } from '../core/source-heads.ts'
import type { LogState } from './log-state.ts'
import { LogStopped } from './log-stopped.ts'
import type { Staged } from './seal.ts'

/**
 * Heads are announced to sources, which then forget what they cover, and decide what enters later: of another writer's batch they are computed again from
 * its entries. Throws LogStopped where the batch says others, another epoch before, or holds what never enters.
 *
 * How far the streams were read cannot be checked here. With right heads a false position costs no message: its source hears that it is missing and sends it
 * again.
 */
export function requireHeads(before: LogState, staged: Staged): void {
  const stop = (message: string, cause?: unknown): LogStopped =>
    new LogStopped(before.origin, { message: `the batch of seal ${staged.n} ${message}`, cause })
  if (staged.predecessor !== before.predecessor) throw stop('names another epoch before it')
  const heads = new Map(before.sources)
  for (const [at, compact] of staged.entries.entries()) {
    let entry: AuditEntry
    try {
      entry = entryOf(compact)
    } catch (cause) {
      throw stop('holds what is no audit message', cause)
    }
    heads.set(entry.source, enter(heads.get(entry.source), entry.seq, entry.digest, before.edge.size + at))
  }
  if (!sameHeads(heads, staged.sources)) throw stop('says other heads than its entries give')
}

function entryOf(compact: string): AuditEntry {
  const { source } = parseJws(compact, AUDIT_BYTES_MAX).payload
  return auditEntry(Buffer.from(compact), typeof source === 'string' ? source : '')
}

function sameHeads(a: SourceHeads, b: SourceHeads): boolean {
  return a.size === b.size && [...a].every(([source, head]) => sameHead(head, b.get(source)))
}

function sameHead(a: SourceHead, b: SourceHead | undefined): boolean {
  return b !== undefined && (a === b || textOf(a) === textOf(b))
}

const textOf = ({ seq, digest, at, ahead, late }: SourceHead): string =>
  JSON.stringify([seq, digest, at ?? null, ahead, late])
