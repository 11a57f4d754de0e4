import { displayWidth, shortened } from './display-width.ts'
import { type Line, type Piece, styled, textOf } from './style.ts'

export interface Column {
  readonly title: string
  readonly align?: 'right'
  /** May be cut to fit the terminal; the widest of these is cut first. */
  readonly shrinks?: boolean
}

export type Row = readonly Piece[]

const GAP = '  '
const SHRUNK_MIN = 8

/** Aligned lines under a heading. `cellsMax`: the terminal's width; absent, nothing is cut. */
export function tableLines(columns: readonly Column[], rows: readonly Row[], cellsMax?: number): readonly Line[] {
  const widths = fitted(columns, naturalWidths(columns, rows), cellsMax)
  const line = (cells: Row): Line =>
    trimmed(columns.flatMap((column, at) => cell(column, widths[at] ?? 0, cells[at], at)))
  return [line(columns.map(({ title }) => styled('dim', title))), ...rows.map(line)]
}

function naturalWidths(columns: readonly Column[], rows: readonly Row[]): number[] {
  return columns.map(({ title }, at) =>
    rows.reduce((width, row) => Math.max(width, displayWidth(textOf(row[at] ?? ''))), displayWidth(title)),
  )
}

function fitted(columns: readonly Column[], natural: readonly number[], cellsMax: number | undefined): number[] {
  const widths = [...natural]
  const total = () => widths.reduce((sum, width) => sum + width, 0) + GAP.length * (widths.length - 1)
  while (cellsMax !== undefined && total() > cellsMax) {
    const [widest] = columns
      .map(({ shrinks }, at) => ({ at, width: shrinks === true ? (widths[at] ?? 0) : 0 }))
      .sort((a, b) => b.width - a.width)
    if (widest === undefined || widest.width <= SHRUNK_MIN) break
    widths[widest.at] = widest.width - 1
  }
  return widths
}

function cell({ align }: Column, width: number, piece: Piece = '', at: number): Piece[] {
  const text = shortened(textOf(piece), width)
  const shown = typeof piece === 'string' ? text : styled(piece.style, text)
  const space = ' '.repeat(Math.max(0, width - displayWidth(text)))
  const padded = align === 'right' ? [space, shown] : [shown, space]
  return at === 0 ? padded : [GAP, ...padded]
}

/** Without the spaces at the end of a line. */
function trimmed(pieces: readonly Piece[]): readonly Piece[] {
  const end = pieces.findLastIndex((piece) => typeof piece !== 'string' || piece.trim() !== '')
  return pieces
    .slice(0, end + 1)
    .map((piece, at) => (at === end && typeof piece === 'string' ? piece.trimEnd() : piece))
}
