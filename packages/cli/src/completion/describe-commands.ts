import type { Argument, Command, Option } from 'commander'

/** What may stand in a place: one of a few words, a file, a folder, or something that nobody can guess. */
export type Values =
  | { readonly kind: 'words'; readonly words: readonly string[] }
  | { readonly kind: 'file' | 'folder' | 'any' }

export interface OptionShape {
  /** `--json`, `-V` */
  readonly name: string
  readonly about: string
  /** Undefined: it takes no value. */
  readonly values?: Values
}

export interface CommandShape {
  /** `agent create`; empty for the program itself. */
  readonly path: string
  readonly about: string
  readonly commands: readonly { readonly name: string; readonly about: string }[]
  /** Its own and those of the program. */
  readonly options: readonly OptionShape[]
  readonly arguments: readonly Values[]
}

/** The whole tree of commands, flat, the program first: what a shell needs to know to complete a line. */
export function describeCommands(program: Command): readonly CommandShape[] {
  const globals = program.options.map(optionShape)
  return [shapeOf(program, '', []), ...below(program, '', globals)]
}

function below(parent: Command, path: string, globals: readonly OptionShape[]): readonly CommandShape[] {
  return parent.commands.flatMap((command) => {
    const own = path === '' ? command.name() : `${path} ${command.name()}`
    return [shapeOf(command, own, globals), ...below(command, own, globals)]
  })
}

function shapeOf(command: Command, path: string, globals: readonly OptionShape[]): CommandShape {
  const help: OptionShape = { name: '--help', about: 'what it takes, with examples' }
  return {
    path,
    about: command.description(),
    commands: command.commands.map((each) => ({ name: each.name(), about: each.description() })),
    options: [...command.options.map(optionShape), ...globals, help],
    arguments: command.registeredArguments.map(valuesOf),
  }
}

function optionShape(option: Option): OptionShape {
  const takesValue = option.required || option.optional
  return {
    name: option.long ?? option.short ?? option.flags,
    about: option.description,
    ...(takesValue && { values: valuesOf(option) }),
  }
}

const PLACES = { file: 'file', files: 'file', dir: 'folder', dirs: 'folder' } as const

/** By what the help calls it: `<file>`, `<dir>`. */
function valuesOf(place: Option | Argument): Values {
  if (place.argChoices !== undefined) return { kind: 'words', words: place.argChoices }
  const called = 'flags' in place ? /[<[]([\w-]+)[\]>]/.exec(place.flags)?.[1] : place.name()
  return { kind: Object.hasOwn(PLACES, called ?? '') ? PLACES[called as keyof typeof PLACES] : 'any' }
}
