import { Fault } from '@writ/contracts'
import { type GoldenDecision, goldenOf } from '../bundle/golden.ts'

/** A file of the folder `golden`. Throws Fault `malformed` that names it. */
export function readGoldenFile(path: string, bytes: Uint8Array): GoldenDecision {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return goldenOf({ [path]: JSON.parse(text) as unknown }).get(path) as GoldenDecision
  } catch (cause) {
    throw new Fault('malformed', { message: `${path} is no golden decision: {"input": {…}, "expect": {…}}.`, cause })
  }
}
