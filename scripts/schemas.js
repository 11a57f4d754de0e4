// `npm run schemas`: writes the JSON Schemas of all messages to packages/contracts/schemas. Needs the built packages.
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { jsonSchemas } from '@writ/contracts'

const folder = process.argv[2] ?? fileURLToPath(new URL('../packages/contracts/schemas', import.meta.url))
const files = jsonSchemas()
await mkdir(folder, { recursive: true })
for (const name of await readdir(folder)) if (!files.has(name)) await rm(join(folder, name))
for (const [name, schema] of files) await writeFile(join(folder, name), `${JSON.stringify(schema, null, 2)}\n`)
process.stdout.write(`${files.size} files in ${folder}\n`)
