// `npm run picture`: docs/story.svg, what `npm start -- --once` prints, and docs/tour.svg, a recording of the command line. Both from planes in
// temporary folders. Needs the built packages.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { preparePlant, startStack } from '@writ/local'
import { escaped, film } from './picture/film.js'
import { COLUMNS, recordTour } from './picture/tour.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const docs = process.argv[2] ?? join(root, 'docs')
mkdirSync(docs, { recursive: true })
writeFileSync(join(docs, 'story.svg'), svgOf(storyLines()))
writeFileSync(join(docs, 'tour.svg'), film('A tour of the command line', await tour(), COLUMNS))

function storyLines() {
  const home = mkdtempSync(join(tmpdir(), 'writ-picture-'))
  const { status, stdout } = spawnSync(process.execPath, [join(root, 'deploy/local/dist/main.js'), '--once'], {
    env: { ...process.env, WRIT_HOME: home },
    encoding: 'utf8',
  })
  rmSync(home, { recursive: true, force: true })
  if (status !== 0) throw new Error(`The story did not come out as it should:\n${stdout}`)
  return stdout.trim().split('\n')
}

async function tour() {
  const folder = mkdtempSync(join(tmpdir(), 'writ-picture-'))
  const log = () => undefined
  try {
    const home = join(folder, '.writ')
    const stack = await startStack({ home, root, env: process.env, region: 'eusc-de-east-1', log })
    try {
      await preparePlant(stack, root, log)
      return await recordTour({ root, folder, env: process.env })
    } finally {
      await stack[Symbol.asyncDispose]()
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** @param {readonly string[]} lines */
function svgOf(lines) {
  const [columns, lineHeight, charWidth, margin] = [128, 17, 7.25, 16]
  const height = lines.length * lineHeight + 2 * margin
  const width = Math.ceil(columns * charWidth + 2 * margin)
  const texts = lines.map((line, index) => {
    const shown = line.length > columns ? `${line.slice(0, columns - 1)}…` : line
    return `<text x="${margin}" y="${margin + (index + 0.75) * lineHeight}" class="${classOf(line)}">${escaped(shown)}</text>`
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    '<title>What npm start prints</title>',
    '<style>text{font:12px ui-monospace,Menlo,Consolas,monospace;white-space:pre;fill:#c9d1d9}.title{fill:#fff;font-weight:bold}.ok{fill:#7ee787}.no{fill:#ffa198}</style>',
    `<rect width="${width}" height="${height}" rx="8" fill="#0d1117"/>`,
    ...texts,
    '</svg>',
    '',
  ].join('\n')
}

/** @param {string} line */
function classOf(line) {
  if (/^\d+\. /.test(line)) return 'title'
  if (line.includes('✓') || line.startsWith('All ')) return 'ok'
  return /^ {3}decided +refused/.test(line) ? 'no' : 'said'
}
