import { execFile } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

/** Browsers of the Chromium family: they tell their document and their console without another program. */
const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome', 'microsoft-edge']
const PAGE_WITHIN_MS = 90_000

/** What a browser made of a page. */
export interface OpenedPage {
  /** The document after everything has loaded, as HTML again. */
  readonly dom: string
  /** What the browser and scripts wrote to the console, with the breaches of the content security policy. */
  readonly console: readonly string[]
}

/**
 * The file of a browser: the one that WRIT_BROWSER names, else the first of the Chromium family in PATH; undefined where there is none. Throws when
 * WRIT_BROWSER names none.
 */
export function findBrowser(env: Readonly<Record<string, string | undefined>>): string | undefined {
  const { WRIT_BROWSER: named, PATH = '' } = env
  if (named !== undefined && named !== '') {
    if (!isProgram(named)) throw new Error(`WRIT_BROWSER names no program: ${named}`)
    return resolve(named)
  }
  const folders = PATH.split(delimiter).filter((folder) => folder !== '')
  return NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find(isProgram)
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Opens a local file without a window, in a profile of its own. */
export async function openPage(browser: string, file: string): Promise<OpenedPage> {
  const { out, err } = await run(browser, ['--enable-logging=stderr', '--dump-dom', pathToFileURL(file).href])
  // `[pid:tid:time:INFO:CONSOLE:12] "text", source: file:///… (12)`, with or without the digits after CONSOLE.
  const lines = err.split('\n').filter((line) => /:CONSOLE[:(]\d+\)?\]/.test(line))
  return { dom: out, console: lines.map((line) => line.slice(line.indexOf(']') + 2)) }
}

/** A picture of the top of the page: PNG. */
export async function photographPage(browser: string, file: string): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), 'writ-photo-'))
  try {
    const picture = join(folder, 'page.png')
    await run(browser, [`--screenshot=${picture}`, '--window-size=1000,1400', pathToFileURL(file).href])
    return await readFile(picture)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function run(browser: string, args: readonly string[]): Promise<{ readonly out: string; readonly err: string }> {
  const profile = await mkdtemp(join(tmpdir(), 'writ-browser-'))
  // Chromium refuses to run as root with its sandbox, which is how containers run it.
  const root = process.getuid?.() === 0 ? ['--no-sandbox'] : []
  const quiet = ['--disable-gpu', '--no-first-run', '--disable-background-networking', '--hide-scrollbars']
  const all = ['--headless', ...root, ...quiet, `--user-data-dir=${profile}`, ...args]
  const options = { timeout: PAGE_WITHIN_MS, killSignal: 'SIGKILL', maxBuffer: 64 * 1024 * 1024 } as const
  try {
    return await new Promise((done, failed) => {
      execFile(browser, all, options, (error, out, err) =>
        error === null
          ? done({ out, err })
          : failed(new Error(`${browser} does not open the page: ${err.slice(-2000)}`)),
      )
    })
  } finally {
    await rm(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
  }
}
