/**
 * Builds policies/bundle/bundle.tar.gz from the sources beside it: `npm run policy:build`.
 * With `--capabilities` it first makes capabilities.json again, which is needed after a new version of OPA or opa-wasm
 * (then `npm run fix`, and build again).
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { argv, env, stdout } from 'node:process'
import { fileURLToPath } from 'node:url'
import { buildBundle, capabilitiesOf } from '../packages/policy/dist/build/index.js'
import { openBundle } from '../packages/policy/dist/index.js'
import { resolveTool } from '../packages/tools/dist/index.js'

const directory = fileURLToPath(new URL('.', import.meta.url)).slice(0, -1)
const say = (line) => stdout.write(`${line}\n`)
const { path: opa } = await resolveTool('opa', { env, log: say })

if (argv.includes('--capabilities')) await writeFile(`${directory}/capabilities.json`, await capabilitiesOf(opa))
const bytes = await buildBundle({ directory, opa })
const { bundleSha256, revision } = openBundle(bytes)
await mkdir(`${directory}/bundle`, { recursive: true })
await writeFile(`${directory}/bundle/bundle.tar.gz`, bytes)
say(`policies/bundle/bundle.tar.gz: ${bytes.byteLength} bytes, sha256 ${bundleSha256}, revision ${revision}`)
