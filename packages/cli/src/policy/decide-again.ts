import { readFile } from 'node:fs/promises'
import type { EvidenceLog } from '@writ/audit'
import { type Decision, Fault, isFault } from '@writ/contracts'
import { Evaluator, openBundle, type PolicyDecision } from '@writ/policy'
import { differences, rebuildInput, tryDecide } from '@writ/policy/review'

/** What comes of deciding a recorded decision again: the same bundle on the same input, made again from the messages and records that it names. */
export type DecidedAgain =
  | { readonly state: 'same' }
  | {
      readonly state: 'different'
      /** `outcome`, `reasons`, `obligations.<name>` */
      readonly changed: readonly string[]
      /** Absent: the evaluation fails. */
      readonly decision?: PolicyDecision
    }
  | { readonly state: 'not possible'; readonly why: string }

type Decider = Pick<Evaluator, 'evaluate'>

/** Bundles by their digest. Throws Fault where one cannot be had now. */
export type BundleOf = (sha256: string) => Promise<Uint8Array | undefined>

/** Bundles from files that were named, then from elsewhere where that is given. */
export class Bundles {
  readonly #files: ReadonlyMap<string, Decider>
  readonly #elsewhere: BundleOf | undefined
  readonly #known = new Map<string, Promise<Decider | string>>()

  private constructor(files: ReadonlyMap<string, Decider>, elsewhere: BundleOf | undefined) {
    this.#files = files
    this.#elsewhere = elsewhere
  }

  /** Throws Fault `malformed` where a file is no bundle. */
  static async open(paths: readonly string[], elsewhere?: BundleOf): Promise<Bundles> {
    const files = new Map<string, Decider>()
    for (const path of paths) {
      const bundle = openBundle(await read(path))
      files.set(bundle.bundleSha256, Evaluator.load(bundle))
    }
    return new Bundles(files, elsewhere)
  }

  /** What decides by a bundle, or why nothing does. */
  async decider(sha256: string): Promise<Decider | string> {
    const known = this.#files.get(sha256) ?? this.#known.get(sha256) ?? this.#load(sha256)
    if (known instanceof Promise) this.#known.set(sha256, known)
    return await known
  }

  async #load(sha256: string): Promise<Decider | string> {
    if (this.#elsewhere === undefined) return `the bundle ${sha256} is not at hand: name its file with --bundle`
    try {
      const bytes = await this.#elsewhere(sha256)
      const bundle = bytes && openBundle(bytes)
      if (bundle?.bundleSha256 !== sha256)
        return `no bundle ${sha256} is published any more: name its file with --bundle`
      return Evaluator.load(bundle)
    } catch (error) {
      if (!isFault(error)) throw error
      return `the bundle ${sha256} cannot be had: ${error.message}`
    }
  }
}

/** Decides recorded decisions again, by their digests. Their documents are looked for in the whole log, once. */
export async function decideAgain(
  decisions: ReadonlyMap<string, Decision>,
  log: Pick<EvidenceLog, 'documents' | 'region'>,
  bundles: Pick<Bundles, 'decider'>,
): Promise<ReadonlyMap<string, DecidedAgain>> {
  const wanted = new Set([...decisions.values()].flatMap(namedIn))
  const documents = wanted.size === 0 ? new Map<string, string>() : await log.documents(wanted)
  const again = new Map<string, DecidedAgain>()
  for (const [digest, decision] of decisions)
    again.set(digest, await one(decision, (name) => documents.get(name), log.region, bundles))
  return again
}

async function one(
  decision: Decision,
  documentOf: (digest: string) => string | undefined,
  region: string,
  bundles: Pick<Bundles, 'decider'>,
): Promise<DecidedAgain> {
  const rebuilt = rebuildInput(decision, documentOf, region)
  if (rebuilt.state === 'missing') {
    const count = rebuilt.digests.length
    const why = `${count === 1 ? 'a document' : `${count} documents`} that it rests on ${count === 1 ? 'is' : 'are'} sealed to this reader, erased, or not in these logs`
    return { state: 'not possible', why }
  }
  if (rebuilt.state === 'other input')
    return { state: 'not possible', why: 'the documents that it names do not give the input that it was decided on' }
  const decider = await bundles.decider(decision.policy.bundle_sha256)
  if (typeof decider === 'string') return { state: 'not possible', why: decider }
  const { outcome, reasons, obligations } = decision
  const now = tryDecide(decider, rebuilt.input)
  const changed = differences({ outcome, reasons, obligations }, now)
  return changed.length === 0
    ? { state: 'same' }
    : { state: 'different', changed, ...(now !== undefined && { decision: now }) }
}

/** Messages and records that a decision's input is made of. */
function namedIn({ intent_digest, records, approvals, attestations, reports }: Decision): readonly string[] {
  return [intent_digest, ...records, ...approvals, ...attestations, ...reports]
}

async function read(path: string): Promise<Uint8Array> {
  return await readFile(path).catch((cause: unknown) => {
    throw new Fault('unavailable', { message: `The bundle ${path} cannot be read.`, cause })
  })
}
