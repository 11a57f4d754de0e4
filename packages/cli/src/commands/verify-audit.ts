import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import {
  directoryReader,
  type LogVerification,
  type Pins,
  parseVkey,
  readSubjectKeysFile,
  verifyLog,
} from '@writ/audit'
import { Fault, Trust } from '@writ/contracts'
import { readLocalFile } from '../local-file.ts'

export interface VerifyAuditOptions {
  readonly vkey?: readonly string[]
  readonly trust?: string
  readonly subjectKeys?: string
  readonly checkpoint?: readonly string[]
  readonly origin?: string
  readonly complete?: boolean
}

interface Pinned {
  readonly pins: Pins
  readonly vkeys: readonly string[]
}

/** Verifies a directory. What is not given comes from the local plane's `local.json`; where all is given that file is not read. */
export async function verifyAudit(
  home: string,
  dir: string | undefined,
  options: VerifyAuditOptions,
): Promise<LogVerification> {
  const { vkey, trust, subjectKeys, checkpoint = [], origin, complete } = options
  const pinned = trust === undefined ? await localPins(home) : await readTrust(trust)
  const vkeys = vkey ?? pinned.vkeys
  if (vkeys.length === 0) throw new Fault('malformed', { message: `${trust} pins no log key: name it with --vkey.` })
  return await verifyLog({
    reader: directoryReader(resolve(dir ?? (await readLocalFile(home)).store_dir)),
    vkeys: vkeys.map(parseVkey),
    pins: pinned.pins,
    known: await Promise.all(checkpoint.map(readKnown)),
    ...(subjectKeys !== undefined && { subjectKeys: await readSubjectKeysFile(subjectKeys) }),
    ...(origin !== undefined && { origin }),
    ...(complete !== undefined && { complete }),
  })
}

async function localPins(home: string): Promise<Pinned> {
  const { trust, log_vkey } = await readLocalFile(home)
  return { pins: trust, vkeys: [log_vkey] }
}

/** `local.json`, an enrolment package, or what is under `trust` in either. */
async function readTrust(path: string): Promise<Pinned> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new Fault('unavailable', { message: `The trust file ${path} cannot be read.`, cause })
  })
  try {
    const json = Object(JSON.parse(text)) as { readonly trust?: unknown }
    const { log_vkeys, ...pins } = Pinning.parse(json.trust ?? json)
    return { pins, vkeys: log_vkeys ?? [] }
  } catch (cause) {
    throw new Fault('malformed', { message: `${path} holds no pinned operators and anchors.`, cause })
  }
}

const Pinning = Trust.pick({ operators: true, anchors: true, log_vkeys: true }).partial({ log_vkeys: true })

async function readKnown(path: string): Promise<Uint8Array> {
  return await readFile(path).catch((cause: unknown) => {
    throw new Fault('unavailable', { message: `The checkpoint ${path} cannot be read.`, cause })
  })
}

const LINES_MAX = 50

/** For people: what was read, what is wrong, and one sentence that says what it means. */
export function linesOfVerification(found: LogVerification): readonly string[] {
  const { origin, size, root, logs, seals, sources, messages, events, effects, documents, sealed, waiting } = found
  const { findings, findingsCount } = found
  const shown = findings.slice(0, LINES_MAX)
  return [
    `log        ${origin}${logs.length > 1 ? `, after ${logs.slice(0, -1).join(', ')}` : ''}`,
    `size       ${size} entries in ${seals} seals${size === 0 ? '' : `, root ${root}`}`,
    `messages   ${messages} of ${sources} sources, with ${events} events`,
    `effects    ${effects} plans, tokens, redeems and actions`,
    `documents  ${documents}, of which ${sealed} are sealed`,
    ...(waiting === 0 ? [] : [`waiting    ${waiting} messages or effects of the last moment`]),
    ...shown.map(({ verdict, where, message }) => `  ${verdict}  ${placeOf(where)}${message}`),
    ...(findingsCount > shown.length ? [`  … and ${findingsCount - shown.length} more findings`] : []),
    '',
    sentenceOf(found),
  ]
}

function placeOf({ log, leaf, object }: LogVerification['findings'][number]['where']): string {
  const parts = [log, leaf === undefined ? undefined : `leaf ${leaf}`, object]
  const place = parts.filter((part) => part !== undefined).join(', ')
  return place === '' ? '' : `${place}: `
}

function sentenceOf({ ok, origin, findingsCount, sealed, waiting }: LogVerification): string {
  if (!ok) {
    const count = findingsCount === 1 ? 'one thing is' : `${findingsCount} things are`
    return `NOT VERIFIED: ${count} wrong with the log ${origin}, each named above; do not rely on it where they apply.`
  }
  const content =
    sealed === 0 ? '' : ' The content of sealed documents was not read; who has their keys can verify it too.'
  const late =
    waiting === 0
      ? ''
      : `, but for ${waiting} of the last moment, whose evidence may still be on its way: verify again in a minute`
  return `VERIFIED: the log ${origin} is whole and unaltered up to its signed checkpoint, every message in it was signed by a key that was valid for its sender at that time, none of any sender’s messages before its last one here is missing, and every plan, token, redeem and action has the intent, decision and records that it rests on${late}.${content}`
}
