import type { SourceFile } from './sources.ts'

/** A bare name, or a call of one with bare names. */
const SAFE = /^not [a-z_]+(\.[a-z_]+)*(\([a-z_, ]+\))?$/

/**
 * Negations of anything but a bare name or a call with bare names: an undefined reference inside a negated expression makes the whole
 * rule undefined, so that a missing table would not deny. As `path:line negation`.
 */
export function unsafeNegations(sources: readonly SourceFile[]): readonly string[] {
  return sources
    .filter(({ path }) => path.endsWith('.rego'))
    .flatMap(({ path, bytes }) =>
      Buffer.from(bytes)
        .toString('utf8')
        .split('\n')
        .flatMap((line, at) => negationsIn(line).map((negation) => `${path}:${at + 1} \`${negation}\``)),
    )
}

function negationsIn(line: string): readonly string[] {
  const found = line.replace(/#.*$/, '').match(/\bnot [^\n}]*/g) ?? []
  return found.map((negation) => negation.trim()).filter((negation) => !SAFE.test(negation))
}
