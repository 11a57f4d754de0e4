import { canonicalJson } from '@writ/keys'
import type { PolicyBundle } from '@writ/policy'

export type How = 'added' | 'removed' | 'changed'

/** In what two bundles differ, for people. */
export interface BundleChanges {
  /** Rego modules. */
  readonly modules: readonly { readonly path: string; readonly how: How }[]
  /** Values of the data tables; `before` or `after` is absent where there is none. */
  readonly tables: readonly { readonly path: string; readonly before?: unknown; readonly after?: unknown }[]
  readonly reasons: readonly { readonly how: How; readonly code: string; readonly message: string }[]
}

export function bundleChanges(before: PolicyBundle, after: PolicyBundle): BundleChanges {
  const reasons = (bundle: PolicyBundle) =>
    new Map(bundle.reasons.map((reason) => [`${reason.code} ${reason.message}`, reason]))
  const [old, now] = [reasons(before), reasons(after)]
  return {
    modules: changed(before.modules, after.modules).map(({ name, how }) => ({ path: name.replace(/^\//, ''), how })),
    tables: [...valuesThatDiffer(before.data, after.data, 'data')],
    reasons: changed(old, now).flatMap(({ name, how }) => {
      const reason = now.get(name) ?? old.get(name)
      return reason === undefined ? [] : [{ how, ...reason }]
    }),
  }
}

function changed(before: ReadonlyMap<string, unknown>, after: ReadonlyMap<string, unknown>) {
  const names = [...new Set([...before.keys(), ...after.keys()])].toSorted()
  return names.flatMap((name): { name: string; how: How }[] => {
    if (!after.has(name)) return [{ name, how: 'removed' }]
    if (!before.has(name)) return [{ name, how: 'added' }]
    const same = canonicalJson(before.get(name) as never) === canonicalJson(after.get(name) as never)
    return same ? [] : [{ name, how: 'changed' }]
  })
}

type Json = Readonly<Record<string, unknown>>

/** Objects are compared member by member, everything else as a whole. */
function* valuesThatDiffer(before: unknown, after: unknown, path: string): Generator<BundleChanges['tables'][number]> {
  if (isObject(before) && isObject(after)) {
    for (const name of [...new Set([...Object.keys(before), ...Object.keys(after)])].toSorted())
      yield* valuesThatDiffer(before[name], after[name], `${path}.${name}`)
    return
  }
  if (before === undefined || after === undefined || canonicalJson(before as never) !== canonicalJson(after as never))
    yield { path, ...(before !== undefined && { before }), ...(after !== undefined && { after }) }
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
