import type { Command } from 'commander'

export interface Example {
  /** As it is typed, from `writ` on. */
  readonly run: string
  /** What it does, where that is not plain. */
  readonly what?: string
}

/** Adds examples to a command's help: people learn from them first. */
export function examples(command: Command, ...given: readonly (string | Example)[]): Command {
  const lines = given.map((example) => {
    const { run, what } = typeof example === 'string' ? { run: example } : example
    return `  ${run}${what === undefined ? '' : `\n      ${what}`}`
  })
  return command.addHelpText('after', `\n${lines.length === 1 ? 'Example' : 'Examples'}:\n${lines.join('\n')}`)
}
