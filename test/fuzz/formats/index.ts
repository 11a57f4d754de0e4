import { BROKEN } from '../broken.ts'
import type { Format } from '../format.ts'
import * as authority from './authority.ts'
import * as cli from './cli.ts'
import * as documents from './documents.ts'
import * as files from './files.ts'
import { json } from './json.ts'
import * as jws from './jws.ts'
import * as log from './log.ts'
import { messageFormat, messageNames } from './messages.ts'
import * as policy from './policy.ts'
import * as values from './values.ts'
import * as wire from './wire.ts'
import * as witness from './witness.ts'

type Maker = () => Format | Promise<Format>

/** Every format that the product reads, by name. */
const MAKERS: Readonly<Record<string, Maker>> = {
  json,
  'jws-parse': jws.jwsParse,
  'jws-es256': jws.jwsEs256,
  'jws-eddsa': jws.jwsEddsa,
  'jws-signed-by': jws.jwsSigned,
  ...Object.fromEntries(messageNames.map((name) => [name, () => messageFormat(name) as Format])),
  plan: authority.plan,
  'plan-and-token': authority.planAndToken,
  chain: authority.chain,
  control: authority.control,
  'control-message': authority.controlMessages,
  record: authority.record,
  endorsement: authority.endorsement,
  answer: authority.answer,
  checkpoint: log.checkpoint,
  vkey: log.vkey,
  'tlog-proof': log.tlogProof,
  'proven-entry': log.provenEntry,
  'consistency-proof': log.consistency,
  'add-checkpoint': witness.addCheckpoint,
  witnessed: witness.witnessed,
  'witness-policy': witness.witnessPolicy,
  tile: log.tile,
  'entry-bundle': log.entryBundle,
  'audit-entry': log.auditEntries,
  seal: log.seal,
  'staged-batch': log.staged,
  'log-origin': log.origin,
  'jwe-document': documents.jwe,
  'subject-keys': documents.subjectKeys,
  'wrapped-key': documents.wrappedKey,
  'bundle-tar': policy.bundleTar,
  'bundle-gzip': policy.bundle,
  enrolment: files.enrolment,
  'nats-credentials': files.credentials,
  'local-json': files.localFile,
  contexts: files.contexts,
  'key-file': files.keyFile,
  'control-position': files.positions,
  'value-token': values.tokenValue,
  'value-use': values.useValue,
  'use-id': values.useId,
  'value-intent': values.intentRecord,
  'value-claim': values.claim,
  'value-decision': values.decisionFile,
  rpc: values.rpc,
  'nats-headers': wire.headers,
  'jetstream-answer': wire.busAnswer,
  network: wire.network,
  'metrics-page': wire.metrics,
  'journal-frame': wire.journal,
  'tracing-variables': wire.tracing,
  'cli-instant': cli.instant,
  'cli-number': cli.numbers,
  'cli-list': cli.lists,
  'cli-arguments': cli.commandLine,
  'terminal-text': cli.terminal,
}

export const FORMAT_NAMES: readonly string[] = Object.keys(MAKERS)

/** Makes a format; `broken:<promise>` is a reader with a deliberate mistake. Throws RangeError for a name that is none. */
export async function formatNamed(name: string): Promise<Format> {
  const make = name.startsWith('broken:') ? BROKEN[name.slice('broken:'.length)] : MAKERS[name]
  if (make === undefined) throw new RangeError(`No format ${name}; --list prints them.`)
  return { ...(await make()), name }
}
