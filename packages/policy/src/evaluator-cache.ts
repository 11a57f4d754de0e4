import { Fault } from '@writ/contracts'
import { sha256 } from '@writ/keys'
import { openBundle } from './bundle/open-bundle.ts'
import { Evaluator } from './evaluator.ts'

export interface EvaluatorCacheOptions {
  /** The bytes published under a digest; undefined: there are none. Whether they are that bundle is checked here. */
  readonly fetch: (bundleSha256: string) => Promise<Uint8Array | undefined>
  /** How many bundles stay loaded: the active one, and those that a reload or rollback comes back to. */
  readonly entriesMax?: number
}

/**
 * Evaluators by the digest that a `policy/active` record names, each loaded once. Which one decides is the caller's to ask of the
 * record in force, at every decision: so a new record takes effect without a restart.
 */
export class EvaluatorCache {
  readonly #options: EvaluatorCacheOptions
  readonly #loaded = new Map<string, Promise<Evaluator>>()

  constructor(options: EvaluatorCacheOptions) {
    this.#options = options
  }

  /** Throws Fault `unavailable` when no such bundle can be had, or what is published there is another one or does not run. */
  async get(bundleSha256: string): Promise<Evaluator> {
    const known = this.#loaded.get(bundleSha256)
    const loading = known ?? this.#load(bundleSha256)
    this.#loaded.delete(bundleSha256)
    this.#loaded.set(bundleSha256, loading)
    if (this.#loaded.size > (this.#options.entriesMax ?? 4)) {
      this.#loaded.delete(this.#loaded.keys().next().value as string)
    }
    try {
      return await loading
    } catch (error) {
      if (this.#loaded.get(bundleSha256) === loading) this.#loaded.delete(bundleSha256)
      throw error
    }
  }

  async #load(bundleSha256: string): Promise<Evaluator> {
    const bytes = await this.#options.fetch(bundleSha256)
    if (bytes === undefined) throw unavailable('The bundle that is to be active has not been published.')
    if (sha256(bytes) !== bundleSha256) throw unavailable('What is published is not the bundle that the record names.')
    try {
      return Evaluator.load(openBundle(bytes))
    } catch (cause) {
      throw unavailable('The bundle that is to be active cannot be used.', cause)
    }
  }
}

function unavailable(message: string, cause?: unknown): Fault {
  return new Fault('unavailable', { message, cause })
}
