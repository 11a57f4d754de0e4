import { Command, CommanderError } from 'commander'
import { addAuditCommands } from './commands/audit-commands.ts'
import { addCompletionCommand } from './commands/completion-commands.ts'
import { addContextCommands } from './commands/context-commands.ts'
import { addCosignCommand } from './commands/cosign-commands.ts'
import { addCredentialsCommands } from './commands/credentials-commands.ts'
import { addDoctorCommands } from './commands/doctor-commands.ts'
import { addIdentityCommands } from './commands/identity-commands.ts'
import { addIntentCommands } from './commands/intent-commands.ts'
import { addPlaneCommands } from './commands/plane-commands.ts'
import { addPolicyCommands } from './commands/policy-commands.ts'
import { addPrivacyCommands } from './commands/privacy-commands.ts'
import { addRevocationCommands } from './commands/revocation-commands.ts'
import { addStatusCommands } from './commands/status-commands.ts'
import { addStoreCommands } from './commands/store-commands.ts'
import { addTokenCommands } from './commands/token-commands.ts'
import { contextOf } from './context.ts'
import { type Chosen, chooseContext } from './contexts/choose-context.ts'
import { EXIT, type ExitCode, exitCodeOf } from './exit-codes.ts'
import type { Act, Invocation } from './invocation.ts'
import { failure, output, type Streams, wantsColours } from './output.ts'
import { version } from './version.ts'

/** Every group of commands, in the order of the help. */
const GROUPS: readonly ((program: Command, act: Act) => void)[] = [
  addIdentityCommands,
  addRevocationCommands,
  addCredentialsCommands,
  addCosignCommand,
  addIntentCommands,
  addTokenCommands,
  addPolicyCommands,
  addAuditCommands,
  addPrivacyCommands,
  addStoreCommands,
  addStatusCommands,
  addDoctorCommands,
  addPlaneCommands,
  addContextCommands,
  addCompletionCommand,
]

interface Globals {
  readonly home?: string
  readonly context?: string
  readonly json: boolean
}

/** Runs `writ` with these arguments (without node and script) and returns its exit code. Nothing is thrown, nothing exits. */
export async function runCli(args: readonly string[], streams: Streams): Promise<ExitCode> {
  let code: ExitCode = EXIT.ok
  const fail = (failed: ExitCode): void => {
    code = failed
  }
  const act: Act =
    (run) =>
    async (...given) => {
      const command = given.at(-1) as Command
      const globals = command.optsWithGlobals<Globals>()
      const out = output(globals.json, streams)
      try {
        await run(invocation(globals, streams, out, fail), ...given.slice(0, -1))
      } catch (error) {
        out.progress()
        out.error(error)
        code = exitCodeOf(error)
      }
    }
  try {
    await buildProgram(act, streams, args.includes('--json')).parseAsync([...args], { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    return error.exitCode === 0 ? EXIT.ok : EXIT.usage
  }
  return code
}

/** The whole tree of commands; with `json` what is wrong with the arguments is said as JSON too. */
export function buildProgram(act: Act, streams: Streams, json: boolean): Command {
  const program = new Command('writ')
    .description('Operate a Writ control plane: identities, authority, intents and evidence.')
    .version(version(), '-V', 'print the version of this tool')
    .option('--home <dir>', 'folder of a local plane, as `npm start` makes it')
    .option('--context <name>', 'a context from `writ context list` (default: the one in use, else ./.writ)')
    .option('--json', 'JSON instead of lines for people: one document, or one a line where it streams', false)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => streams.out.write(text),
      writeErr: (text) => json || streams.err.write(text),
      outputError: (text, write) =>
        json
          ? streams.err.write(failure(true, false, usage(text)))
          : write(failure(false, wantsColours(streams.err, streams.env), usage(text))),
    })
    .addHelpText(
      'after',
      `
Exit codes: 0 done, 1 unexpected, 2 usage, 3 refused, 4 unavailable, 5 the intent did not succeed, 6 evidence does not verify.

Begin with:
  writ status                     is everything well?
  writ doctor                     what is wrong with this machine or enrolment?
  writ agent create --help        every command's help has examples
  source <(writ completion bash)  complete commands with the tab key`,
    )
  for (const add of GROUPS) add(program, act)
  return program
}

function usage(text: string): { code: string; message: string; next: string } {
  return {
    code: 'usage',
    message: text
      .replace(/^error: /, '')
      .trim()
      .replaceAll(/\s*\n\s*/g, ' '),
    next: 'Add --help to the command to see what it takes.',
  }
}

function invocation(
  { home, context }: Globals,
  { env = {}, interrupted }: Streams,
  out: Invocation['out'],
  fail: Invocation['fail'],
): Invocation {
  const chosen = (): Promise<Chosen> => chooseContext({ home, context, env })
  return {
    out,
    env,
    chosen,
    context: async () => contextOf(await chosen()),
    untilInterrupted: () => interrupted?.() ?? new AbortController().signal,
    fail,
  }
}
