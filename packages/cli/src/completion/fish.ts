import type { CommandShape, OptionShape, Values } from './describe-commands.ts'

/** A script for `writ completion fish | source`, or `~/.config/fish/completions/writ.fish`. It starts no process. */
export function fishCompletion(commands: readonly CommandShape[]): string {
  const paths = commands.map(({ path }) => path).filter((path) => path !== '')
  return `# fish completion of writ. Once: writ completion fish > ~/.config/fish/completions/writ.fish

set -g __writ_paths ${paths.map(quoted).join(' ')}

# The commands on the line so far, as far as there are such.
function __writ_path
    set -l path ''
    for word in (commandline -opc)[2..-1]
        set -l longer (string trim -- "$path $word")
        contains -- "$longer" $__writ_paths; and set path $longer
    end
    echo $path
end

function __writ_at
    test (__writ_path) = "$argv[1]"
end

complete -c writ -f
${commands.flatMap(linesOf).join('\n')}
`
}

function linesOf(command: CommandShape): readonly string[] {
  const { path, commands, options, arguments: places } = command
  const at = `complete -c writ -n ${quoted(`__writ_at ${quoted(path)}`)}`
  return [
    ...commands.map(({ name, about }) => `${at} -a ${quoted(name)} -d ${quoted(about)}`),
    ...options.map((option) => `${at} ${flagOf(option)} -d ${quoted(option.about)}`),
    ...places.flatMap((values) => (values.kind === 'any' ? [] : [`${at} ${argumentOf(values)}`])),
  ]
}

function flagOf({ name, values }: OptionShape): string {
  const flag = name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`
  return values === undefined ? flag : `${flag} ${takes(values)}`
}

function takes(values: Values): string {
  switch (values.kind) {
    case 'words':
      return `-x -a ${quoted(values.words.join(' '))}`
    case 'file':
      return '-r -F'
    case 'folder':
      return `-x -a '(__fish_complete_directories)'`
    case 'any':
      return '-x'
  }
}

function argumentOf(values: Values): string {
  if (values.kind === 'words') return `-a ${quoted(values.words.join(' '))}`
  return values.kind === 'folder' ? `-a '(__fish_complete_directories)'` : '-F'
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
