/** The environment of this process, as its entry point read it. */
export type Env = Readonly<Record<string, string | undefined>>
export interface RunOptions {
  readonly env: Env
  readonly cwd?: string
  readonly timeoutMs: number
}
export interface Ran {
  readonly ok: boolean
  readonly stdout: string
  /** The last of what it said, for a person who asks why it failed. */
  readonly complaint: string
}
/** Runs a program to its end without a shell. Failure is an answer, not an error. */
export declare function run(command: string, args: readonly string[], { env, cwd, timeoutMs }: RunOptions): Promise<Ran>
//# sourceMappingURL=run.d.ts.map
