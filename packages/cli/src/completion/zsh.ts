import type { CommandShape, Values } from './describe-commands.ts'

/** A script for `source <(writ completion zsh)`, or a file `_writ` in `$fpath`. It starts no process. */
export function zshCompletion(commands: readonly CommandShape[]): string {
  return `#compdef writ
# zsh completion of writ. In ~/.zshrc, after compinit: source <(writ completion zsh)

__writ_commands() {
  case "$1" in
${cases(commands, ({ commands: below }) => below)}
    *) reply=() ;;
  esac
}

__writ_options() {
  case "$1" in
${cases(commands, ({ options }) => options)}
    *) reply=() ;;
  esac
}

# What follows an option ("path option") or stands as the n-th argument ("path n").
__writ_values() {
  case "$1" in
${commands.flatMap(valueCases).join('\n')}
    *) reply=() ;;
  esac
}

_writ() {
  local line='' word i n=0 skip=0
  local -a reply
  for ((i = 2; i < CURRENT; i++)); do
    word="\${words[i]}"
    if ((skip)); then skip=0; continue; fi
    if [[ "$word" == -* ]]; then
      __writ_values "$line $word"
      ((\${#reply})) && skip=1
      continue
    fi
    __writ_commands "$line"
    if [[ -n "\${reply[(r)$word:*]}" ]]; then
      line="\${line:+$line }$word"
    else
      n=$((n + 1))
    fi
  done
  if ((skip)); then
    __writ_values "$line \${words[CURRENT-1]}"
  elif [[ "\${words[CURRENT]}" == -* ]]; then
    __writ_options "$line"
    _describe -o 'option' reply
    return
  else
    __writ_commands "$line"
    if ((\${#reply})); then
      _describe 'command' reply
      return
    fi
    __writ_values "$line $n"
  fi
  case "\${reply[1]}" in
    words) compadd -- "\${(@)reply[2,-1]}" ;;
    file) _files ;;
    folder) _files -/ ;;
  esac
}

# Sourced, it registers itself; as a file of $fpath it is called.
if [[ "\${funcstack[1]}" == _writ ]]; then
  _writ "$@"
else
  compdef _writ writ
fi
`
}

interface Described {
  readonly name: string
  readonly about: string
}

function cases(commands: readonly CommandShape[], of: (command: CommandShape) => readonly Described[]): string {
  return commands
    .map((command) => ({ path: command.path, found: of(command) }))
    .filter(({ found }) => found.length > 0)
    .map(({ path, found }) => `    '${path}') reply=(${found.map(described).join(' ')}) ;;`)
    .join('\n')
}

function described({ name, about }: Described): string {
  return quoted(`${name}:${about.replaceAll(':', '\\:')}`)
}

function valueCases({ path, options, arguments: places }: CommandShape): readonly string[] {
  const line = (name: string, values: Values): string =>
    `    '${path} ${name}') reply=(${[values.kind, ...(values.kind === 'words' ? values.words : [])].map(quoted).join(' ')}) ;;`
  return [
    ...options.flatMap(({ name, values }) => (values === undefined ? [] : [line(name, values)])),
    ...places.map((values, at) => line(String(at), values)),
  ]
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
