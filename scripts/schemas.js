// `npm run schemas`: writes the JSON Schemas of all messages to packages/contracts/schemas, and the table of messages in docs/clients.md.
// Needs the built packages.
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { jsonSchemas } from '@writ/contracts'
import { messageTable } from './message-table.js'

const folder = fileURLToPath(new URL('../packages/contracts/schemas', import.meta.url))
const guide = fileURLToPath(new URL('../docs/clients.md', import.meta.url))
const files = jsonSchemas()
await mkdir(folder, { recursive: true })
for (const name of await readdir(folder)) if (!files.has(name)) await rm(join(folder, name))
for (const [name, schema] of files) await writeFile(join(folder, name), `${JSON.stringify(schema, null, 2)}\n`)
const text = await readFile(guide, 'utf8')
const table = `<!-- messages -->\n${messageTable()}\n<!-- /messages -->`
await writeFile(
  guide,
  text.replace(/<!-- messages -->[\s\S]*<!-- \/messages -->/, () => table),
)
process.stdout.write(`${files.size} files in ${folder}\n`)
