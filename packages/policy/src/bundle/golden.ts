import { Fault, type JsonObject } from '@writ/contracts'
import type { PolicyDecision } from '../core/decision.ts'
import type { PolicyInput } from '../core/input.ts'

/** An input and what a bundle is to decide on it: a test that the bundle itself carries, so that whoever has its bytes can run it. */
export interface GoldenDecision {
  readonly input: PolicyInput
  readonly expect: PolicyDecision
}

/**
 * Reads golden decisions by name, from a manifest or from files. Input and expectation are taken as they are: one that is no
 * decision is simply never met. Throws Fault `malformed` for anything of another form.
 */
export function goldenOf(value: unknown): ReadonlyMap<string, GoldenDecision> {
  if (value === undefined) return new Map()
  if (!isObject(value)) throw malformed()
  return new Map(
    Object.entries(value).map(([name, golden]) => {
      if (!isObject(golden) || !isObject(golden['input']) || !isObject(golden['expect'])) throw malformed()
      return [name, golden as unknown as GoldenDecision]
    }),
  )
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function malformed(): Fault {
  return new Fault('malformed', { message: 'A golden decision needs an `input` and what to `expect`.' })
}
