import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { readEnrolment } from '@writ/agent-sdk'
import {
  directoryReader,
  EvidenceLog,
  type LogReader,
  type NoteVerifier,
  NotVerified,
  type Pins,
  parseVkey,
  readSubjectKeysFile,
  storeReader,
} from '@writ/audit'
import { Fault, isFault, type PublicJwk, Trust } from '@writ/contracts'
import { connectStore, readSubjectKeys } from '@writ/plane'
import { openStore } from '@writ/worm-store'
import type { Command } from 'commander'
import { withAdvice } from '../advice.ts'
import { localOf, planeOf } from '../context.ts'
import type { Invocation } from '../invocation.ts'
import { logVkeysOf } from '../local-file.ts'
import { list } from '../options.ts'

/** Options of every command that reads a log. */
export interface PlaceOptions {
  readonly vkey?: readonly string[]
  readonly trust?: string
  readonly origin?: string
  readonly subjectKeys?: string
  readonly open?: boolean
}

export function withPlaceOptions(command: Command): Command {
  return command
    .argument('[dir]', 'the store’s folder, a copy of it, or s3://<bucket>/<prefix> (default: the context’s)')
    .option('--vkey <vkey>', 'pinned key of the log, repeatable (default: the trust file’s, else the context’s)', list)
    .option(
      '--trust <file>',
      'pinned operators and anchors: an enrolment package, or its `trust` (default: the context’s)',
    )
    .option('--origin <origin>', 'which log (default: the newest that the key speaks for)')
    .option('--subject-keys <file>', 'keys that open sealed documents: see `writ audit keys`')
    .option('--open', 'open sealed documents with the keys that the context’s plane has now')
}

/** A log as an auditor has it: where its files lie, and what was pinned out of band. */
export interface EvidencePlace {
  readonly reader: LogReader
  readonly vkeys: readonly NoteVerifier[]
  readonly pins: Pins
  /** Where the pins come from, for people. */
  readonly pinnedBy: string
  readonly subjectKeys?: ReadonlyMap<string, Uint8Array>
  readonly origin?: string
}

/** What is not given comes from the context; where all is given, the context is not read. */
export async function evidencePlace(
  invocation: Invocation,
  dir: string | undefined,
  options: PlaceOptions,
): Promise<EvidencePlace> {
  const { vkey, trust, origin } = options
  const { pins, pinnedBy, vkeys: own } = trust === undefined ? await contextPins(invocation) : await readTrust(trust)
  const vkeys = vkey ?? own
  if (vkeys.length === 0)
    throw withAdvice(
      new Fault('malformed', { message: `${pinnedBy} pins no log key.` }),
      'Name the key that you were given with --vkey.',
    )
  const subjectKeys = await subjectKeysOf(invocation, options)
  return {
    reader: await readerAt(dir ?? localOf(await invocation.context()).store),
    vkeys: vkeys.map(parseVkey),
    pins,
    pinnedBy,
    ...(subjectKeys !== undefined && { subjectKeys }),
    ...(origin !== undefined && { origin }),
  }
}

/** A bucket through its own interface, which knows locks and first versions; a folder as it lies there. Nothing is written to either. */
export async function readerAt(place: string): Promise<LogReader> {
  if (place.startsWith('s3://')) return storeReader(await openStore(place))
  return directoryReader(resolve(place.replace(/^file:(\/\/(?=\/))?/, '')))
}

/** The pinned log keys alone. */
export async function logKeys(
  invocation: Invocation,
  { vkey, trust }: Pick<PlaceOptions, 'vkey' | 'trust'>,
): Promise<{ readonly vkeys: readonly NoteVerifier[]; readonly pinnedBy: string }> {
  if (vkey !== undefined) return { vkeys: vkey.map(parseVkey), pinnedBy: '--vkey' }
  const { vkeys, pinnedBy } = trust === undefined ? await contextPins(invocation) : await readTrust(trust)
  return { vkeys: vkeys.map(parseVkey), pinnedBy }
}

/** Pinned operators' keys, by what people call them. */
export async function operatorKeys(invocation: Invocation, trust?: string): Promise<ReadonlyMap<string, PublicJwk>> {
  const { pins } = trust === undefined ? await contextPins(invocation) : await readTrust(trust)
  return new Map(Object.entries(pins.operators).map(([id, jwk]) => [`operator ${id}`, jwk]))
}

export async function openEvidence(
  invocation: Invocation,
  dir: string | undefined,
  options: PlaceOptions,
): Promise<EvidenceLog> {
  return await advised(EvidenceLog.open(await evidencePlace(invocation, dir, options)))
}

/** Says of a log that cannot be read what an auditor can do about it: no plane needs to run for that. */
export async function advised<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading
  } catch (error) {
    if (!isFault(error) || (error.code !== 'unavailable' && !(error instanceof NotVerified))) throw error
    throw withAdvice(
      error,
      'The folder must hold DOMAIN/REGION/EPOCH with its checkpoint, signed by the pinned key: see --trust and --vkey.',
    )
  }
}

/** The keys of sealed documents that the context's plane has not destroyed: whoever has them reads everything. */
export async function subjectKeysOfPlane({
  context,
}: Invocation): Promise<Awaited<ReturnType<typeof readSubjectKeys>>> {
  const plane = await planeOf(await context())
  const store = await connectStore(plane)
  try {
    return await readSubjectKeys(plane, store)
  } finally {
    await store.close()
  }
}

async function subjectKeysOf(
  invocation: Invocation,
  { subjectKeys, open }: PlaceOptions,
): Promise<ReadonlyMap<string, Uint8Array> | undefined> {
  if (subjectKeys !== undefined && open === true)
    throw new Fault('malformed', { message: '--subject-keys and --open are two ways to say the same; use one.' })
  if (subjectKeys !== undefined) return await readSubjectKeysFile(subjectKeys)
  if (open !== true) return undefined
  return new Map((await subjectKeysOfPlane(invocation)).map(({ kid, key }) => [kid, key]))
}

interface Pinned {
  readonly pins: Pins
  readonly vkeys: readonly string[]
  readonly pinnedBy: string
}

/** Where a context has an enrolment of its own, its pins count and not the word of the folder that holds the log. */
async function contextPins({ context }: Invocation): Promise<Pinned> {
  const { name, local, enrolment, keyFile } = await context().catch((error: Error) => {
    throw withAdvice(
      error,
      'No plane needs to be here: name a copy of the log and who is trusted, as `DIR --trust enrolment.json`; or --home, or --context.',
    )
  })
  if (local !== undefined && keyFile !== undefined) {
    const pins = { ...local.trust, ...(await twoPersonOf(enrolment)) }
    return { pins, vkeys: logVkeysOf(local), pinnedBy: `the context ${name}` }
  }
  const { log_vkeys: vkeys, ...pins } = (await readEnrolment(enrolment)).trust
  return { pins, vkeys, pinnedBy: `the context ${name}` }
}

/** The plane's own file does not say which kinds need two operators; its operator's package does. */
async function twoPersonOf(enrolment: string): Promise<Pick<Pins, 'two_person'>> {
  try {
    return { two_person: (await readEnrolment(enrolment)).trust.two_person }
  } catch (error) {
    if (isFault(error)) return {}
    throw error
  }
}

const Pinning = Trust.partial({ log_vkeys: true, two_person: true })

/** `local.json`, an enrolment package, or what is under `trust` in either. */
async function readTrust(path: string): Promise<Pinned> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new Fault('unavailable', { message: `The trust file ${path} cannot be read.`, cause })
  })
  try {
    const json = Object(JSON.parse(text)) as { readonly trust?: unknown; readonly log_vkey?: unknown }
    const { log_vkeys = [], two_person, ...keys } = Pinning.parse(json.trust ?? json)
    const pins = { ...keys, ...(two_person !== undefined && { two_person }) }
    const one = typeof json.log_vkey === 'string' && log_vkeys.length === 0 ? [json.log_vkey] : log_vkeys
    return { pins, vkeys: one, pinnedBy: path }
  } catch (cause) {
    throw new Fault('malformed', { message: `${path} holds no pinned operators and anchors.`, cause })
  }
}
