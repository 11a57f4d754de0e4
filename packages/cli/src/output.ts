import { reasonOf } from '@writ/contracts'
import { adviceFor } from './advice.ts'
import { printableJson } from './terminal/printable.ts'
import { type Line, render, styled } from './terminal/style.ts'
import { type Column, type Row, tableLines } from './terminal/table.ts'

export interface Table {
  readonly columns: readonly Column[]
  readonly rows: readonly Row[]
  /** What is said when there is no row. */
  readonly none: string
}

/**
 * Where a command writes: JSON with `--json`, lines for people without. Whatever text a line holds, a terminal only shows it. Errors go to
 * stderr.
 */
export interface Output {
  readonly json: boolean
  /** The one result: a JSON document with `--json`, else the lines. */
  result(value: object, lines: readonly Line[]): void
  /** The one result, as a table for people. */
  table(value: object, table: Table): void
  /** One of a stream of results: a line of NDJSON with `--json`. */
  item(value: object, line: Line): void
  /** What happens, for people; silent with `--json`. */
  note(line: Line): void
  /** What a person should look at, on stderr; with `--json` the result has it. */
  warn(warning: string): void
  /** A line on a terminal's stderr that the next one replaces; without an argument it goes away. Silent where nobody watches. */
  progress(text?: string): void
  error(error: unknown): void
}

export interface Sink {
  write(text: string): unknown
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
}

/** The process around a command, as much as it may know of it. */
export interface Streams {
  readonly out: Sink
  readonly err: Sink
  /** Absent: an empty environment. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Called by commands that go on until they are interrupted; absent, they are not. */
  readonly interrupted?: () => AbortSignal
}

/** Colours only on a terminal, and not where NO_COLOR (no-color.org) says no. */
export function wantsColours(sink: Sink, env: Streams['env'] = {}): boolean {
  return sink.isTTY === true && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb'
}

const CLEAR_LINE = '\r\u{1b}[2K'

export function output(json: boolean, { out, err, env }: Streams): Output {
  const [colours, errColours] = [wantsColours(out, env), wantsColours(err, env)]
  const document = (value: object): unknown => out.write(`${printableJson(value)}\n`)
  const lines = (shown: readonly Line[]): unknown =>
    out.write(shown.map((line) => `${render(line, colours)}\n`).join(''))
  return {
    json,
    result: (value, shown) => (json ? document(value) : lines(shown)),
    table: (value, { columns, rows, none }) => {
      if (json) document(value)
      else lines(rows.length === 0 ? [none] : tableLines(columns, rows, out.isTTY === true ? out.columns : undefined))
    },
    item: (value, line) => (json ? document(value) : lines([line])),
    note: (line) => json || lines([line]),
    warn: (warning) =>
      json || err.write(`${render([styled('yellow', 'writ: '), `warning: ${warning}`], errColours)}\n`),
    progress: (text) => {
      if (json || err.isTTY !== true) return
      err.write(text === undefined ? CLEAR_LINE : `${CLEAR_LINE}${render(text, false)}`)
    },
    error: (error) => {
      const { code, message } = reasonOf(error)
      const why = code === 'internal' && error instanceof Error ? `Something unexpected: ${error.message}` : message
      err.write(failure(json, errColours, { code, message: why, next: adviceFor(error) }))
    },
  }
}

export interface Failure {
  readonly code: string
  readonly message: string
  /** What to do about it. */
  readonly next?: string | undefined
}

/** How a failure is told: what it is, why, and what to do next. */
export function failure(json: boolean, colours: boolean, { code, message, next }: Failure): string {
  const advice = next === undefined ? {} : { next }
  if (json) return `${printableJson({ ok: false, code, message, ...advice })}\n`
  const said = render([styled('red', 'writ: '), `${code}: ${message}`], colours)
  return `${said}\n${next === undefined ? '' : `${render(`  ${next}`, colours)}\n`}`
}
