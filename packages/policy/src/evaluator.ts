import * as opaWasm from '@open-policy-agent/opa-wasm'
import { Fault } from '@writ/contracts'
import { ENTRYPOINT, type PolicyBundle } from './bundle/open-bundle.ts'
import { type PolicyDecision, readDecision, reasonKey } from './core/decision.ts'
import type { PolicyInput } from './core/input.ts'

// The package's types show its functions as exports of the module; when it runs they are members of its default export.
const { loadPolicySync } = (opaWasm as unknown as { readonly default: typeof opaWasm }).default

/** In pages of 64 KiB: 128 MiB, far above what the largest input (100 targets with 32 KiB of state each) takes. */
const MEMORY = { initial: 16, maximum: 2048 }

/**
 * One bundle, ready to decide. It owns its Wasm instance, whose data never changes: another bundle is another evaluator.
 * `evaluate` is synchronous, so two evaluations never meet in one instance.
 */
export class Evaluator {
  readonly bundleSha256: string
  readonly revision: string
  readonly #bundle: PolicyBundle
  readonly #reasons: ReadonlySet<string>
  #instance: opaWasm.LoadedPolicy | undefined

  private constructor(bundle: PolicyBundle) {
    this.bundleSha256 = bundle.bundleSha256
    this.revision = bundle.revision
    this.#bundle = bundle
    this.#reasons = new Set(bundle.reasons.map(reasonKey))
  }

  /**
   * Compiles a bundle (some milliseconds) and evaluates it once, so that the first decision is as fast as the others.
   * Throws Fault `malformed` when it does not run.
   */
  static load(bundle: PolicyBundle): Evaluator {
    try {
      const evaluator = new Evaluator(bundle)
      evaluator.#run({})
      return evaluator
    } catch (cause) {
      throw new Fault('malformed', { message: 'The policy of the bundle does not run.', cause })
    }
  }

  /**
   * Decides. Whatever the policy gives that is not a decision is a denial.
   * Throws Fault `unavailable` when the evaluation itself fails ("could not decide"); the instance is then discarded.
   */
  evaluate(input: PolicyInput): PolicyDecision {
    let results: unknown
    try {
      results = this.#run(input)
    } catch (cause) {
      this.#instance = undefined
      // opa-wasm throws plain strings; what they say may quote the input, so it stays in the cause.
      throw new Fault('unavailable', { message: 'Policy could not be evaluated.', cause })
    }
    return readDecision(results, this.#reasons)
  }

  #run(input: PolicyInput | Record<string, never>): unknown {
    this.#instance ??= this.#instantiate()
    const bytes = new TextEncoder().encode(JSON.stringify(input))
    return this.#instance.evaluate(bytes.slice().buffer, ENTRYPOINT)
  }

  #instantiate(): opaWasm.LoadedPolicy {
    const instance = loadPolicySync(Uint8Array.from(this.#bundle.wasm), { ...MEMORY })
    instance.setData(this.#bundle.data)
    return instance
  }
}
