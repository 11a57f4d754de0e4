import { setTimeout as delay } from 'node:timers/promises'
import type { EvidenceLog, ReadEntry } from '@writ/audit'
import { EXIT } from '../exit-codes.ts'
import type { Invocation } from '../invocation.ts'
import { jsonOfEmpty, jsonOfEvent, lineOfEmpty, lineOfEvent } from './audit-lines.ts'
import { openEvidence, type PlaceOptions } from './audit-place.ts'

export interface TailOptions extends PlaceOptions {
  readonly lines: number
  readonly follow?: boolean
}

const LOOK_EVERY_MS = 500

/** `writ audit tail [DIR]`: the last events, then those that come, each verified before it is shown. */
export async function auditTail(invocation: Invocation, dir: string | undefined, options: TailOptions): Promise<void> {
  const log = await openEvidence(invocation, dir, options)
  const show = (entry: ReadEntry, from = 0): void => showEntry(invocation, log, entry, from)
  const { first, skip } = await lastEvents(log, options.lines)
  let next = first
  for await (const entry of log.entries(first)) {
    show(entry, entry.index === first ? skip : 0)
    next = entry.index + 1
  }
  if (options.follow !== true) return
  const interrupted = invocation.untilInterrupted()
  for (let { origin } = log.newest; !interrupted.aborted; ) {
    if (!(await log.refresh())) {
      await delay(LOOK_EVERY_MS, undefined, { signal: interrupted }).catch(() => undefined)
      continue
    }
    if (log.newest.origin !== origin) [origin, next] = [log.newest.origin, 0]
    for await (const entry of log.entries(next)) {
      if (interrupted.aborted) return
      show(entry)
      next = entry.index + 1
    }
  }
}

/** Where the last `lines` events begin: an entry, and how many of its events come before them. */
async function lastEvents(log: EvidenceLog, lines: number): Promise<{ first: number; skip: number }> {
  let first = log.newest.size
  let found = 0
  while (first > 0 && found < lines) {
    first -= 1
    found += Math.max(1, (await log.entry(first)).events.length)
  }
  return { first, skip: Math.max(0, found - lines) }
}

function showEntry({ out, fail }: Invocation, log: EvidenceLog, entry: ReadEntry, from: number): void {
  const width = String(log.newest.size).length
  if (entry.doubts.length > 0) fail(EXIT.notVerified)
  if (entry.events.length === 0) out.item(jsonOfEmpty(entry), lineOfEmpty(entry, width))
  for (const read of entry.events.slice(from)) out.item(jsonOfEvent(entry, read), lineOfEvent(entry, read, width))
}
