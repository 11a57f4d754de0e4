import { resolve } from 'node:path'
import { NotVerified, type ReadDocument, type ReadEntry, type ReadEvent, type SignedLog } from '@writ/audit'
import { Fault } from '@writ/contracts'
import { writeFileDurably } from '@writ/durable'
import { EXIT } from '../exit-codes.ts'
import type { Invocation } from '../invocation.ts'
import { type Line, styled } from '../terminal/style.ts'
import { doubtsOf, field, jsonOfEvent, stateOf } from './audit-lines.ts'
import { openEvidence, type PlaceOptions } from './audit-place.ts'
import { sentenceOf } from './audit-sentences.ts'

export interface ShowOptions extends PlaceOptions {
  readonly proof?: string
  readonly entry?: string
}

/** `writ audit show INDEX [DIR]`: one leaf with everything in it, verified before it is shown. */
export async function auditShow(
  invocation: Invocation,
  index: number,
  dir: string | undefined,
  options: ShowOptions,
): Promise<void> {
  const log = await openEvidence(invocation, dir, options)
  const { size, origin, root } = log.newest
  if (index >= size)
    throw new Fault('malformed', { message: `The log ${origin} has ${size} entries: the last is ${size - 1}.` })
  const entry = await log.entry(index)
  const files = await writeFiles(entry, options)
  const { proof, message, doubts } = entry
  const events = entry.events.map((read) => jsonOfEvent(entry, read))
  const checkpoint = { size, root: Buffer.from(root).toString('base64') }
  const value = { origin, leaf: index, ...message, verified: doubts.length === 0, doubts, checkpoint, proof, events }
  invocation.out.result({ ok: doubts.length === 0, ...value, files }, [
    ...linesOf(entry, log.newest),
    ...files.map((file) => field('written', file)),
  ])
  if (doubts.length > 0) invocation.fail(EXIT.notVerified)
}

/** What is not proven has no proof to write. */
async function writeFiles({ proof, entry, index }: ReadEntry, options: ShowOptions): Promise<readonly string[]> {
  if (options.proof !== undefined && proof === undefined)
    throw new NotVerified('chain_broken', { message: `There is no proof that entry ${index} is in the log.` })
  const wanted = [
    { path: options.proof, content: proof },
    { path: options.entry, content: entry },
  ]
  const files: string[] = []
  for (const { path, content } of wanted) {
    if (path === undefined || content === undefined) continue
    await writeFileDurably(resolve(path), content)
    files.push(resolve(path))
  }
  return files
}

function linesOf(entry: ReadEntry, { origin, size, root }: SignedLog): readonly Line[] {
  const { index, message, proof, doubts, events } = entry
  const verified = doubts.length === 0
  return [
    [
      'entry ',
      styled('bold', String(index)),
      ` of ${origin}  `,
      verified ? styled('green', '✓ verified') : styled('red', `✗ NOT VERIFIED: ${doubtsOf(entry)}`),
    ],
    ...(message === undefined
      ? []
      : [
          field('source', `${message.source}, message ${message.seq}`),
          field('signed', `${new Date(message.iat * 1000).toISOString()} with key ${message.kid}`),
          field('digest', message.digest),
          field('follows', message.prev ?? 'nothing: it is the first of its source'),
        ]),
    proof === undefined
      ? field('proof', 'none')
      : field(
          'proof',
          `stands under the signed checkpoint of ${size} entries, root ${Buffer.from(root).toString('base64')}`,
        ),
    ...events.flatMap(linesOfEvent),
  ]
}

function linesOfEvent(read: ReadEvent): readonly Line[] {
  const { verb, text } = sentenceOf(read)
  const { type, event_id, timestamp, status, detail, ...fields } = read.event
  return [
    '',
    [styled('bold', type), `  ${timestamp}  `, stateOf(status)],
    field('says', `${verb} ${text}`),
    ...Object.entries(fields).map(([name, value]) =>
      field(name, typeof value === 'string' ? value : JSON.stringify(value)),
    ),
    ...(detail === undefined ? [] : [field('detail', JSON.stringify(detail))]),
    field('event', event_id),
    ...read.documents.flatMap(linesOfDocument),
  ]
}

const STATES: Readonly<Record<ReadDocument['state'], string>> = {
  open: 'opened, its digest and signature verified',
  sealed: 'sealed: no key was given that opens it',
  bad: 'NOT VERIFIED: it',
}

function linesOfDocument({ typ, digest, state, why, claims }: ReadDocument): readonly Line[] {
  const said = `${typ} ${digest}, ${STATES[state]}${why === undefined ? '' : ` ${why}`}`
  const claimed = claims === undefined ? [] : JSON.stringify(claims, null, 2).split('\n')
  return [
    state === 'bad' ? [styled('red', `  document  ${said}`)] : field('document', said),
    ...claimed.map((line) => `      ${line}`),
  ]
}
