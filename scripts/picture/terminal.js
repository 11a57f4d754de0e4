// What a terminal shows: text with SGR colours as rows of runs.

/** @typedef {{ readonly column: number, readonly text: string, readonly style: string }} Run */
/** @typedef {{ readonly runs: readonly Run[], readonly wrapped: boolean }} Row `wrapped`: it goes on from the row above */

/** @type {Readonly<Record<string, string>>} */
const STYLES = { 1: 'bold', 2: 'dim', 31: 'red', 32: 'green', 33: 'yellow', 36: 'cyan' }
const ESCAPE = '\u{1b}['

/**
 * Rows of a text, wrapped where the terminal ends. Lines that were written over (progress) are as they were left.
 *
 * @param {string} text
 * @param {number} columns
 * @returns {readonly Row[]}
 */
export function rowsOf(text, columns) {
  const lines = text.replaceAll('\r\n', '\n').replace(/\n$/, '').split('\n')
  return lines.flatMap((line) => wrappedRows(line.split(`${ESCAPE}2K`).at(-1)?.replaceAll('\r', '') ?? '', columns))
}

/**
 * @param {string} line
 * @param {number} columns
 * @returns {Row[]}
 */
function wrappedRows(line, columns) {
  /** @type {Run[][]} */
  const rows = [[]]
  let column = 0
  let style = ''
  for (const [index, part] of line.split(ESCAPE).entries()) {
    // All but the first begin with what the escape says: `32m`.
    const end = index === 0 ? 0 : part.indexOf('m') + 1
    if (end > 0) style = STYLES[part.slice(0, end - 1)] ?? ''
    for (let rest = [...part.slice(end)]; rest.length > 0; ) {
      if (column === columns) {
        rows.push([])
        column = 0
      }
      const now = rest.slice(0, columns - column)
      rows.at(-1)?.push({ column, text: now.join(''), style })
      column += now.length
      rest = rest.slice(now.length)
    }
  }
  return rows.map((runs, index) => ({ runs, wrapped: index > 0 }))
}
