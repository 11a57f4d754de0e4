import { Command, CommanderError } from 'commander'
import { addAuditCommands } from './commands/audit-commands.ts'
import { addIdentityCommands } from './commands/identity-commands.ts'
import { addIntentCommands } from './commands/intent-commands.ts'
import { addPlaneCommands } from './commands/plane-commands.ts'
import { addRevocationCommands } from './commands/revocation-commands.ts'
import { EXIT, type ExitCode, exitCodeOf } from './exit-codes.ts'
import { type Output, output, type Streams } from './output.ts'

export interface Invocation {
  readonly out: Output
  readonly home: string
  /** Ends the command with another code than 0 although nothing was thrown. */
  fail(code: ExitCode): void
}

/** Wraps what a command does: its options come parsed, its faults become exit codes. */
export type Act = (
  run: (invocation: Invocation, ...args: unknown[]) => Promise<void>,
) => (...args: unknown[]) => Promise<void>

/** Runs `writ` with these arguments (without node and script) and returns its exit code. Nothing is thrown, nothing exits. */
export async function runCli(args: readonly string[], streams: Streams): Promise<ExitCode> {
  let code: ExitCode = EXIT.ok
  const program = new Command('writ')
    .description('Operate a Writ control plane: identities, authority, intents and evidence.')
    .option('--home <dir>', 'folder of the local plane', '.writ')
    .option('--json', 'one JSON document instead of lines for people', false)
    .exitOverride()
    .configureOutput({ writeOut: (text) => streams.out.write(text), writeErr: (text) => streams.err.write(text) })
    .showHelpAfterError('(add --help for what it takes)')
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 unexpected, 2 usage, 3 refused, 4 unavailable, 5 the intent did not succeed, 6 evidence does not verify.',
    )
  const act: Act =
    (run) =>
    async (...given) => {
      const command = given.at(-1) as Command
      const { home, json } = command.optsWithGlobals<{ home: string; json: boolean }>()
      const out = output(json, streams)
      try {
        await run({ out, home, fail: (failed) => (code = failed) }, ...given.slice(0, -1))
      } catch (error) {
        out.error(error)
        code = exitCodeOf(error)
      }
    }
  for (const add of [addIdentityCommands, addPlaneCommands, addRevocationCommands, addIntentCommands, addAuditCommands])
    add(program, act)
  try {
    await program.parseAsync([...args], { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    return error.exitCode === 0 ? EXIT.ok : EXIT.usage
  }
  return code
}
