import type { SourceFile } from './sources.ts'

const HEEDED = /\bresidency\.permitted\(rego\.metadata\.chain\(\)\)/
/** `custom:` annotations that say where something may be done. */
const ANNOTATED = /^#\s+(?:residency|data_class):/m

/** Modules whose annotations restrict where they hold, without a rule that looks at them: paths. An annotation that nothing reads would be a promise not kept. */
export function unheededResidency(sources: readonly SourceFile[]): readonly string[] {
  return sources.flatMap(({ path, bytes }) => {
    if (!path.endsWith('.rego')) return []
    const text = Buffer.from(bytes).toString()
    // What is said in a comment is not done.
    const code = text.replaceAll(/#.*$/gm, '')
    return ANNOTATED.test(text) && !HEEDED.test(code) ? [path] : []
  })
}
