import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { preparePlant, startStack } from '@writ/local'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { film } from '../scripts/picture/film.js'
import { COLUMNS, recordTour, TOUR } from '../scripts/picture/tour.js'
import { REGION, root } from './support/local-stack.ts'

let folder: string
let committed: string
let fresh: string
beforeAll(async () => {
  committed = await readFile(join(root, 'docs/tour.svg'), 'utf8')
  folder = await mkdtemp(join(tmpdir(), 'writ-tour-'))
  const log = (): void => undefined
  await using stack = await startStack({ home: join(folder, '.writ'), root, env: process.env, region: REGION, log })
  await preparePlant(stack, root, log)
  fresh = film('A tour of the command line', await recordTour({ root, folder, env: process.env }), COLUMNS)
}, 120_000)
afterAll(() => rm(folder, { recursive: true, force: true }))

interface Row {
  readonly text: string
  readonly typed: boolean
}

/** What each screen of a film shows, a line each; a wrapped one without its rest. */
function screensOf(svg: string): readonly (readonly Row[])[] {
  return svg
    .split('<g class="screen"')
    .slice(1)
    .map((screen) => {
      const rows = new Map<string, Row>()
      for (const [, y = '', classes = '', text = ''] of screen.matchAll(
        / y="(\d+)"[^>]*?(?: class="([^"]*)")?>([^<]*)</g,
      )) {
        if (classes.includes('wrapped') && !classes.includes('typed')) continue
        const shown = text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&')
        rows.set(y, { text: [rows.get(y)?.text, shown].join(' ').trim(), typed: classes.includes('typed') })
      }
      return [...rows.values()]
    })
}

/** Said, or not, depending on how fast things are and on the machine. */
const DEPENDS = /^(accepted|approved|executing|waiting|ok tool|skip)\b/
/** The first words of each line: numbers, ids and times are others every time. */
function saidOn(rows: readonly Row[]): ReadonlySet<string> {
  const words = rows
    .filter(({ typed }) => !typed)
    .map(({ text }) => text.split(/[\s:,;.“”()]+/).filter((word) => /^[a-z][a-z-]*$/i.test(word)))
  return new Set(words.map((line) => line.slice(0, 3).join(' ')).filter((line) => line !== '' && !DEPENDS.test(line)))
}

test('the tour in docs is typed as the recorder types it', () => {
  const typed = screensOf(committed).map((rows) =>
    rows.filter((row) => row.typed).map(({ text }) => text.replace(/^\$ /, '')),
  )
  expect(typed).toEqual(TOUR.map((lines) => lines.flatMap((line) => line.split('\n').map((part) => part.trim()))))
})

test('and shows what the program says today; `npm run picture` makes it anew', () => {
  const [old, now] = [screensOf(committed), screensOf(fresh)].map((screens) => screens.map(saidOn))
  expect(old?.every((said) => said.size > 3)).toBe(true)
  expect(old).toEqual(now)
})

test('the tour says nothing of the machine that it was recorded on', () => {
  for (const film of [committed, fresh]) expect(film).not.toMatch(/\/(home|root|tmp|Users|work)\//)
})
