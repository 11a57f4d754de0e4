// `npm run transcript`: runs one intent on a throw-away plane and writes docs/transcript.md and docs/transcript.json. Needs the built packages.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { recordTranscript } from './transcript/record.js'
import { render } from './transcript/render.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = process.argv[2] ?? join(root, 'docs')
const log = (/** @type {string} */ line) => void process.stderr.write(`${line}\n`)
const transcript = await recordTranscript({ root, env: process.env, log })
await mkdir(folder, { recursive: true })
await writeFile(join(folder, 'transcript.json'), `${JSON.stringify(transcript, null, 2)}\n`)
await writeFile(join(folder, 'transcript.md'), render(transcript))
log(`${transcript.entries.length} messages in ${folder}`)
