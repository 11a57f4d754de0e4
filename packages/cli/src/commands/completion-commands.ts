import { Argument, type Command } from 'commander'
import { bashCompletion } from '../completion/bash.ts'
import { type CommandShape, describeCommands } from '../completion/describe-commands.ts'
import { fishCompletion } from '../completion/fish.ts'
import { zshCompletion } from '../completion/zsh.ts'
import { examples } from '../help.ts'
import type { Act } from '../invocation.ts'

const SHELLS: Readonly<Record<string, (commands: readonly CommandShape[]) => string>> = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
}

/** `writ completion SHELL` */
export function addCompletionCommand(program: Command, act: Act): void {
  const command = program
    .command('completion')
    .description('print a script that completes commands with the tab key')
    .addArgument(new Argument('<shell>', 'which shell').choices(Object.keys(SHELLS)))
    .action(
      act(async ({ out }, shell) => {
        const script = SHELLS[String(shell)]?.(describeCommands(program)) ?? ''
        out.result({ ok: true, shell, script }, script.trimEnd().split('\n'))
      }),
    )
  examples(
    command,
    { run: 'source <(writ completion bash)', what: 'in ~/.bashrc' },
    { run: 'source <(writ completion zsh)', what: 'in ~/.zshrc, after compinit' },
    { run: 'writ completion fish > ~/.config/fish/completions/writ.fish' },
  )
}
