import { printable } from './printable.ts'

const CODES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const
export type Style = keyof typeof CODES

export interface Styled {
  readonly text: string
  readonly style: Style
}

/** Text with or without a style. The text may come from anywhere: what a terminal would obey is made visible when it is rendered. */
export type Piece = string | Styled
/** One line for a person. */
export type Line = Piece | readonly Piece[]

export function styled(style: Style, text: string): Styled {
  return { style, text }
}

export function textOf(piece: Piece): string {
  return printable(typeof piece === 'string' ? piece : piece.text)
}

export function render(line: Line, colours: boolean): string {
  return (isPieces(line) ? line : [line]).map((piece) => renderPiece(piece, colours)).join('')
}

function isPieces(line: Line): line is readonly Piece[] {
  return Array.isArray(line)
}

function renderPiece(piece: Piece, colours: boolean): string {
  const text = textOf(piece)
  return typeof piece === 'string' || !colours || text === '' ? text : `\u{1b}[${CODES[piece.style]}m${text}\u{1b}[0m`
}
