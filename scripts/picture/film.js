// A recording as one SVG that plays by itself: CSS alone, so that it also does where a picture runs no script.
import { rowsOf } from './terminal.js'

/** @typedef {import('./tour.js').Ran} Ran */
/** @typedef {import('./terminal.js').Row} Row */
/** @typedef {{ at: number, row: number, column: number, typed?: number }} Step where what is not there yet begins; `typed`: how many characters it takes to the next step */

const [CHAR, LINE, MARGIN, BAR] = [7.2, 17, 14, 30]
const PROMPT = '$ '
/** Of the window; what is longer is scrolled when it was there to be read. */
const ROWS = 27
const SECONDS = { scroll: 1.5, key: 0.03, beforeEnter: 0.4, pauseMax: 0.5, afterCommand: 1.2, screen: 2, row: 0.13 }

/**
 * @param {string} title
 * @param {readonly (readonly Ran[])[]} screens
 * @param {number} columns
 */
export function film(title, screens, columns) {
  let now = 0
  const played = screens.map((ran) => {
    const screen = play(ran, columns, now)
    now = screen.ends
    return screen
  })
  const [width, inner] = [Math.ceil(columns * CHAR), ROWS * LINE]
  const [whole, tall] = [width + 2 * MARGIN, BAR + inner + MARGIN]
  const percent = (/** @type {number} */ at) => `${+((100 * at) / now).toFixed(3)}%`
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" xml:space="preserve" viewBox="0 0 ${whole} ${tall}" width="${whole}" height="${tall}" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<style>${style(now)}`,
    ...played.map((screen, index) => keyframes(index, screen, percent)),
    '</style>',
    `<rect x=".5" y=".5" width="${whole - 1}" height="${tall - 1}" rx="8" fill="#0d1117" stroke="#30363d"/>`,
    ...['#ff5f57', '#febc2e', '#28c840'].map(
      (fill, index) => `<circle cx="${MARGIN + 6 + index * 18}" cy="16" r="5.5" fill="${fill}"/>`,
    ),
    `<svg x="${MARGIN}" y="${BAR}" width="${width}" height="${inner}">`,
    ...played.map(({ rows }, index) => screenOf(index, rows, width, Math.max(inner, rows.length * LINE))),
    '</svg>',
    '</svg>',
    '',
  ].join('\n')
}

/**
 * The rows of a screen, and when which of them is there.
 *
 * @param {readonly Ran[]} ran
 * @param {number} columns
 * @param {number} begins
 */
function play(ran, columns, begins) {
  /** @type {Row[]} */
  const rows = []
  /** @type {Step[]} */
  const steps = []
  let now = begins
  for (const [index, { line, chunks }] of ran.entries()) {
    if (index > 0) now += SECONDS.afterCommand
    for (const [part, text] of line.split('\n').entries()) {
      const prompt = part === 0 ? PROMPT : ''
      steps.push({ at: now, row: rows.length, column: prompt.length, typed: text.length })
      now += text.length * SECONDS.key
      steps.push({ at: now, row: rows.length, column: prompt.length + text.length })
      if (prompt.length + text.length >= columns) throw new Error(`Break this line: ${text}`)
      rows.push({ runs: commandRuns(prompt, text), wrapped: part > 0 })
    }
    now += SECONDS.beforeEnter
    let [written, last] = ['', 0]
    const above = rows.length
    for (const { at, text } of chunks) {
      written += text
      now += Math.min((at - last) / 1000, SECONDS.pauseMax)
      last = at
      rows.splice(above, Infinity, ...rowsOf(written, columns))
      steps.push({ at: now, row: rows.length, column: 0 })
    }
  }
  const read = (/** @type {number} */ count) => SECONDS.screen + SECONDS.row * count
  const below = Math.max(0, rows.length + 1 - ROWS)
  const scrolls = now + read(rows.length - below)
  return { rows, steps, begins, below, scrolls, ends: below === 0 ? scrolls : scrolls + SECONDS.scroll + read(below) }
}

/**
 * @param {string} prompt
 * @param {string} text
 */
function commandRuns(prompt, text) {
  const typed = { column: prompt.length, text, style: 'typed' }
  return prompt === '' ? [typed] : [{ column: 0, text: prompt, style: 'prompt' }, typed]
}

/** @param {number} seconds */
function style(seconds) {
  return [
    'text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;white-space:pre;fill:#c9d1d9}',
    '.typed,.bold{font-weight:bold;fill:#f0f6fc}.prompt,.green{fill:#7ee787}.red{fill:#ff7b72}.yellow{fill:#e3b341}.cyan{fill:#79c0ff}.dim{fill:#8b949e}',
    `.screen{visibility:hidden}#s0{visibility:visible}.screen,.hide,.up{animation:${seconds.toFixed(2)}s step-end infinite}`,
    '@media(prefers-reduced-motion:reduce){.screen,.hide,.up{animation:none!important}}',
  ].join('')
}

/**
 * @param {number} index
 * @param {ReturnType<typeof play>} screen
 * @param {(at: number) => string} percent
 */
function keyframes(index, { steps, begins, below, scrolls, ends }, percent) {
  const [hidden, visible] = ['{visibility:hidden}', '{visibility:visible}']
  const shown = `${begins === 0 ? '' : `0%${hidden}`}${percent(begins)}${visible}${percent(ends)}${hidden}`
  const places = steps.map(({ at, row, column, typed }) => {
    const to = `transform:translate(${+(column * CHAR).toFixed(1)}px,${row * LINE}px)`
    return `${percent(at)}{${to}${typed === undefined ? '' : `;animation-timing-function:steps(${typed})`}}`
  })
  const up = `${percent(scrolls)}{transform:none;animation-timing-function:ease-in-out}${percent(scrolls + SECONDS.scroll)}{transform:translateY(${-below * LINE}px)}`
  return [
    `@keyframes s${index}{${shown}}@keyframes h${index}{${places.join('')}}`,
    `#s${index}{animation-name:s${index}}#h${index}{animation-name:h${index}}`,
    ...(below === 0 ? [] : [`@keyframes u${index}{${up}}#u${index}{animation-name:u${index}}`]),
  ].join('')
}

/**
 * Everything that a screen ever shows, and over what is not written yet a cover, with the cursor at its beginning.
 *
 * @param {number} index
 * @param {readonly Row[]} rows
 * @param {number} width
 * @param {number} height
 */
function screenOf(index, rows, width, height) {
  const cover = `M0 0H${width}V${height}H${-width}V${LINE}H0z`
  return [
    `<g class="screen" id="s${index}"><g class="up" id="u${index}">`,
    ...rows.flatMap(({ runs, wrapped }, row) => runs.map((run) => textOf(run, row, wrapped))),
    `<g class="hide" id="h${index}" transform="translate(0,${rows.length * LINE})"><path d="${cover}" fill="#0d1117"/><path d="M0 2h7v14h-7z" fill="#8b949e"/></g>`,
    '</g></g>',
  ].join('\n')
}

/**
 * @param {Row['runs'][number]} run
 * @param {number} row
 * @param {boolean} wrapped
 */
function textOf({ column, text, style }, row, wrapped) {
  const from = column + text.length - text.trimStart().length
  const shown = text.trim()
  if (shown === '') return ''
  const classes = [style, wrapped ? 'wrapped' : ''].filter((name) => name !== '').join(' ')
  const place = `x="${+(from * CHAR).toFixed(1)}" y="${row * LINE + 13}" textLength="${+([...shown].length * CHAR).toFixed(1)}"`
  return `<text ${place}${classes === '' ? '' : ` class="${classes}"`}>${escaped(shown)}</text>`
}

/** @param {string} text */
export function escaped(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
