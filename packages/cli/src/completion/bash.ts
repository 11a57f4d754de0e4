import type { CommandShape, Values } from './describe-commands.ts'

/** A script for `source <(writ completion bash)`. It starts no process: completing is as fast as the shell. */
export function bashCompletion(commands: readonly CommandShape[]): string {
  return `# bash completion of writ. In ~/.bashrc: source <(writ completion bash)

__writ_commands() {
  case "$1" in
${cases(commands, ({ commands: below }) => below.map(({ name }) => name))}
  esac
}

__writ_options() {
  case "$1" in
${cases(commands, ({ options }) => options.map(({ name }) => name))}
  esac
}

# What follows an option ("path option") or stands as the n-th argument ("path n").
__writ_values() {
  case "$1" in
${commands.flatMap(valueCases).join('\n')}
  esac
}

# A line is an answer, whatever spaces or stars a name has. No mapfile: bash 3.2 of macOS lacks it.
__writ_reply() {
  local line
  while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen "$@")
}

_writ() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" path='' word values i n=0 skip=0
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    if ((skip)); then skip=0; continue; fi
    if [[ "$word" == -* ]]; then
      [[ -n "$(__writ_values "$path $word")" ]] && skip=1
    elif [[ " $(__writ_commands "$path") " == *" $word "* ]]; then
      path="\${path:+$path }$word"
    else
      n=$((n + 1))
    fi
  done
  COMPREPLY=()
  if ((skip)); then
    values="$(__writ_values "$path $prev")"
  elif [[ "$cur" == -* ]]; then
    values="words $(__writ_options "$path")"
  else
    values="words $(__writ_commands "$path")"
    [[ "$values" == 'words ' ]] && values="$(__writ_values "$path $n")"
  fi
  case "$values" in
    words*) __writ_reply -W "\${values#words}" -- "$cur" ;;
    file) compopt -o filenames 2>/dev/null; __writ_reply -f -- "$cur" ;;
    folder) compopt -o filenames 2>/dev/null; __writ_reply -d -- "$cur" ;;
  esac
}

complete -F _writ writ
`
}

function cases(commands: readonly CommandShape[], words: (command: CommandShape) => readonly string[]): string {
  return commands
    .map((command) => ({ path: command.path, found: words(command) }))
    .filter(({ found }) => found.length > 0)
    .map(({ path, found }) => `    '${path}') echo '${found.join(' ')}' ;;`)
    .join('\n')
}

function valueCases({ path, options, arguments: places }: CommandShape): readonly string[] {
  const line = (name: string, values: Values): string =>
    `    '${path} ${name}') echo '${values.kind === 'words' ? `words ${values.words.join(' ')}` : values.kind}' ;;`
  return [
    ...options.flatMap(({ name, values }) => (values === undefined ? [] : [line(name, values)])),
    ...places.map((values, at) => line(String(at), values)),
  ]
}
