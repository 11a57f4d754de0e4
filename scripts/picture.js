// `npm run picture`: docs/story.svg, what `npm start -- --once` prints, from a plane in a temporary folder.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const home = mkdtempSync(join(tmpdir(), 'writ-picture-'))
const { status, stdout } = spawnSync(process.execPath, [join(root, 'deploy/local/dist/main.js'), '--once'], {
  env: { ...process.env, WRIT_HOME: home },
  encoding: 'utf8',
})
rmSync(home, { recursive: true, force: true })
if (status !== 0) throw new Error(`The story did not come out as it should:\n${stdout}`)
writeFileSync(join(root, 'docs/story.svg'), svgOf(stdout.trim().split('\n')))

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

/** @param {string} text */
function escaped(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
