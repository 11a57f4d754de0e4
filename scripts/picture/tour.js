// An operator's tour of the command line, recorded from a terminal: what is typed, and what the program writes at which moment.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** Width of the terminal, in characters. */
export const COLUMNS = 120

const ASK = [
  'npx writ intent submit --agent agents/line-4 --action telemetry-read --target press-07 --user u-anna \\',
  '    --purpose "Have a look." --wait',
].join('\n')

/** Screens of the tour, and the command lines of each. */
export const TOUR = [
  ['npx writ status'],
  [
    'npx writ agent create line-4 --users u-anna --actions telemetry-read,restart --groups press-hall \\\n    --out agents/line-4',
    ASK,
    'npx writ suspend agent line-4 --reason "Trying it out."',
    ASK,
    'npx writ resume agent line-4',
  ],
  ['npx writ audit trace --agent line-4 --open'],
  ['npx writ audit verify'],
  [
    'cat updating.json',
    'npx writ policy eval --agent line-4 --action restart --target press-07 --user u-anna --state updating.json',
  ],
  ['npx writ doctor'],
]

/** @typedef {{ readonly at: number, readonly text: string }} Chunk what was written, and when: ms after the command began */
/** @typedef {{ readonly line: string, readonly chunks: readonly Chunk[] }} Ran */

/**
 * Runs the tour in a folder that has `.writ` in it. Where this machine keeps things is not shown.
 *
 * @param {{ root: string, folder: string, env: NodeJS.ProcessEnv }} place
 * @returns {Promise<readonly (readonly Ran[])[]>}
 */
export async function recordTour({ root, folder, env }) {
  await writeFile(join(folder, 'updating.json'), '{"press-07": {"mode": "updating", "guard": "closed"}}\n')
  const terminal = { cwd: folder, env: { ...env, XDG_CONFIG_HOME: join(folder, 'config'), WRIT_CONTEXT: '' } }
  const writ = join(root, 'packages/cli/bin/writ.js')
  /** @param {string} line */
  const run = async (line) => {
    const chunks = await recorded(line.replace(/^npx writ/, `exec '${process.execPath}' '${writ}'`), terminal)
    return { line, chunks: chunks.map(({ at, text }) => ({ at, text: withoutPlaces(text, folder) })) }
  }
  const screens = []
  for (const lines of TOUR) {
    if (lines[0]?.includes('audit trace')) await untilSealed(run)
    const ran = []
    for (const line of lines) ran.push(await run(line))
    screens.push(ran)
  }
  return screens
}

/** What happened is in the log within seconds. @param {(line: string) => Promise<Ran>} run */
async function untilSealed(run) {
  for (let tries = 0; tries < 30; tries++) {
    const { chunks } = await run('npx writ audit trace --agent line-4 --open')
    if (/Resumed with/.test(chunks.map(({ text }) => text).join(''))) return
  }
  throw new Error('The log does not say that the agent was resumed.')
}

/**
 * Runs a line in a terminal of its own.
 *
 * @param {string} line
 * @param {{ cwd: string, env: NodeJS.ProcessEnv }} options
 * @returns {Promise<readonly Chunk[]>}
 */
async function recorded(line, options) {
  const began = performance.now()
  const command = `stty cols ${COLUMNS} rows 40; ${line}`
  // script(1) gives the program a terminal, so that it writes what a person sees. Its stdin stays open: an end would be echoed.
  const child = spawn('script', ['-qfc', command, '/dev/null'], {
    ...options,
    env: { ...options.env, TERM: 'xterm-256color', NO_COLOR: '', SHELL: '/bin/sh' },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  /** @type {Chunk[]} */
  const chunks = []
  child.stdout.setEncoding('utf8').on('data', (/** @type {string} */ text) => {
    chunks.push({ at: performance.now() - began, text })
  })
  await once(child, 'close')
  return chunks
}

/**
 * @param {string} text
 * @param {string} folder
 */
function withoutPlaces(text, folder) {
  return text
    .replaceAll(folder, '~/writ')
    .replaceAll(new RegExp(`(?<![\\w./-])${homedir()}(?=/)`, 'g'), '~')
    .replaceAll(/\/(?:home|root|tmp|Users|work)\/[\w./-]*\/(?=[\w.-]+)/g, '~/')
}
