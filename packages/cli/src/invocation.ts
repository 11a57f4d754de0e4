import type { Context } from './context.ts'
import type { Chosen } from './contexts/choose-context.ts'
import type { ExitCode } from './exit-codes.ts'
import type { Output, Streams } from './output.ts'

/** What a command is given beside its own arguments and options. */
export interface Invocation {
  readonly out: Output
  readonly env: NonNullable<Streams['env']>
  /** Which context was chosen, and why. Reads the person's contexts and nothing else. */
  chosen(): Promise<Chosen>
  /** The context, read. */
  context(): Promise<Context>
  /** For commands that go on until Ctrl-C: aborts when it is pressed. */
  untilInterrupted(): AbortSignal
  /** Ends the command with another code than 0 although nothing was thrown. */
  fail(code: ExitCode): void
}

/** Wraps what a command does: its options come parsed, its faults become exit codes. */
export type Act = (
  run: (invocation: Invocation, ...args: unknown[]) => Promise<void>,
) => (...args: unknown[]) => Promise<void>
