import { readFile } from 'node:fs/promises'
import { NotVerified, openLogProof } from '@writ/audit'
import { auditMessage, Fault, isFault } from '@writ/contracts'
import { openMessage } from '@writ/keys'
import type { Invocation } from '../invocation.ts'
import { type Line, styled } from '../terminal/style.ts'
import { field } from './audit-lines.ts'
import { logKeys, type PlaceOptions } from './audit-place.ts'

export interface CheckProofOptions extends Pick<PlaceOptions, 'vkey' | 'trust'> {
  readonly entry?: string
}

/** `writ audit check-proof FILE`: that an entry stands in a log, from two files and the log's pinned key; neither log nor network is needed. */
export async function auditCheckProof(invocation: Invocation, file: string, options: CheckProofOptions): Promise<void> {
  const { vkeys, pinnedBy } = await logKeys(invocation, options)
  const entryFile = options.entry ?? file.replace(/\.tlog-proof$/, '.entry')
  if (entryFile === file)
    throw new Fault('malformed', { message: 'Name the file with the entry’s bytes: --entry FILE.' })
  const [proof, entry] = await Promise.all([file, entryFile].map(read))
  const { index, checkpoint } = proven((proof as Buffer).toString(), entry as Buffer, vkeys)
  const { origin, size, root } = checkpoint
  const said = saidIn(entry as Buffer)
  const value = {
    ok: true,
    origin,
    leaf: index,
    checkpoint: { size, root: Buffer.from(root).toString('base64') },
    ...said?.json,
  }
  invocation.out.result(value, [
    [
      styled('green', `✓ entry ${index} of ${origin}`),
      ` stands under the checkpoint of ${size} entries, root ${value.checkpoint.root}`,
    ],
    field('signed', `by a log key that ${pinnedBy} pins`),
    ...(said?.lines ?? [field('says', 'nothing that is an audit message')]),
    'Not checked: who signed the entry itself. `writ audit show` does, where the log is at hand.',
  ])
}

function proven(
  text: string,
  entry: Uint8Array,
  vkeys: Parameters<typeof openLogProof>[2],
): ReturnType<typeof openLogProof> {
  try {
    return openLogProof(text, entry, vkeys)
  } catch (cause) {
    if (!isFault(cause) || cause.code === 'malformed') throw cause
    throw new NotVerified(cause.code, { message: cause.message, cause })
  }
}

function saidIn(entry: Uint8Array): { readonly json: object; readonly lines: readonly Line[] } | undefined {
  try {
    const { source, seq, iat, events } = openMessage(auditMessage, entry).claims
    const types = events.map(({ type }) => type)
    return {
      json: { source, seq, iat, events: types },
      lines: [
        field('source', `${source}, message ${seq}, ${new Date(iat * 1000).toISOString()}`),
        field('says', types.join(', ')),
      ],
    }
  } catch (error) {
    if (isFault(error)) return undefined
    throw error
  }
}

async function read(path: string): Promise<Buffer> {
  return await readFile(path).catch((cause: unknown) => {
    throw new Fault('unavailable', { message: `${path} cannot be read.`, cause })
  })
}
