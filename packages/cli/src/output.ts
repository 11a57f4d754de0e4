import { reasonOf } from '@writ/contracts'

/** Where a command writes: one JSON document with `--json`, lines for people without. Errors go to stderr. */
export interface Output {
  readonly json: boolean
  /** The result: printed as JSON with `--json`, else as the lines. */
  result(value: object, lines: readonly string[]): void
  /** Progress for people; silent with `--json`. */
  note(line: string): void
  error(error: unknown): void
}

export interface Streams {
  readonly out: { write(text: string): unknown }
  readonly err: { write(text: string): unknown }
}

export function output(json: boolean, { out, err }: Streams): Output {
  return {
    json,
    result: (value, lines) =>
      out.write(json ? `${JSON.stringify(value)}\n` : lines.map((line) => `${line}\n`).join('')),
    note: (line) => json || out.write(`${line}\n`),
    error: (error) => {
      const { code, message } = reasonOf(error)
      const why = code === 'internal' && error instanceof Error ? `${message} (${error.message})` : message
      err.write(json ? `${JSON.stringify({ ok: false, code, message: why })}\n` : `writ: ${code}: ${why}\n`)
    },
  }
}
