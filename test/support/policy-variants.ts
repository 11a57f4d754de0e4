import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import type { JsonObject } from '@writ/contracts'
import { parseTar } from 'nanotar'
import { packBundle } from '../../packages/policy/src/build/pack-bundle.ts'

/** The supplied bundle, as it is committed. */
export const committedBundle: Uint8Array = readFileSync(new URL('../../policies/bundle/bundle.tar.gz', import.meta.url))

/**
 * The supplied bundle with one value of its data (`data.json`) or manifest (`.manifest`) set, or without it where `value` is undefined:
 * its rules are the same Wasm, so none of that needs OPA.
 */
export function variantOf(file: 'data.json' | '.manifest', path: string, value?: unknown): Uint8Array {
  const files = parseTar(new Uint8Array(gunzipSync(committedBundle)).buffer)
  return packBundle(
    files.map(({ name, data = new Uint8Array(0) }) => {
      const own = name.replace(/^\//, '')
      return { path: own, bytes: own === file ? edited(data, path.split('.'), value) : data }
    }),
  )
}

function edited(bytes: Uint8Array, path: readonly string[], value: unknown): Uint8Array {
  const whole = JSON.parse(Buffer.from(bytes).toString()) as JsonObject
  const holder = path.slice(0, -1).reduce<JsonObject>((at, name) => at[name] as JsonObject, whole)
  const name = path.at(-1) as string
  if (value === undefined) delete holder[name]
  else holder[name] = value as never
  return Buffer.from(JSON.stringify(whole))
}
