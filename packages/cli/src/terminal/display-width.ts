/** Wide in a terminal: East Asian wide and fullwidth forms, and emoji. */
const WIDE =
  /[\u{1100}-\u{115f}\u{2e80}-\u{303e}\u{3041}-\u{33ff}\u{3400}-\u{4dbf}\u{4e00}-\u{9fff}\u{a000}-\u{a4cf}\u{ac00}-\u{d7a3}\u{f900}-\u{faff}\u{fe30}-\u{fe4f}\u{ff00}-\u{ff60}\u{ffe0}-\u{ffe6}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u
/** Drawn over the character before. */
const NONE = /^(?:[\p{Mn}\p{Me}]|\u{200c}|\u{200d}|[\u{fe00}-\u{fe0f}])$/u

/** How many cells of a terminal a printable text takes. */
export function displayWidth(text: string): number {
  return [...text].reduce((width, character) => width + widthOf(character), 0)
}

function widthOf(character: string): number {
  if (NONE.test(character)) return 0
  return WIDE.test(character) ? 2 : 1
}

/** The text cut to at most `cellsMax` cells; `…` stands for what was cut. */
export function shortened(text: string, cellsMax: number): string {
  if (displayWidth(text) <= cellsMax) return text
  let cut = ''
  let width = 1
  for (const character of text) {
    width += widthOf(character)
    if (width > cellsMax) break
    cut += character
  }
  return `${cut.trimEnd()}…`
}
