import type { JsonObject, JsonValue } from '@writ/contracts'

/**
 * A copy of `result` without what the RFC 6901 pointers name: members are removed, elements of arrays become `null` so that the
 * others keep their places. Pointers that name nothing change nothing.
 */
export function redact(result: JsonObject, pointers: readonly string[]): JsonObject {
  const copy = structuredClone(result)
  for (const pointer of pointers) remove(copy, pointer.split('/').slice(1).map(unescaped))
  return copy
}

function remove(value: JsonValue, [name, ...rest]: readonly string[]): void {
  if (name === undefined || typeof value !== 'object' || value === null) return
  if (Array.isArray(value)) {
    const index = /^(0|[1-9][0-9]*)$/.test(name) ? Number(name) : -1
    const element = value[index]
    if (element === undefined) return
    if (rest.length === 0) value[index] = null
    else remove(element, rest)
  } else if (Object.hasOwn(value, name)) {
    if (rest.length === 0) delete value[name]
    else remove(value[name] as JsonValue, rest)
  }
}

function unescaped(token: string): string {
  return token.replaceAll('~1', '/').replaceAll('~0', '~')
}
