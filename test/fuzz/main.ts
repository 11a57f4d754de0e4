import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Report } from './engine.ts'
import { SCRATCH } from './formats/files.ts'
import { FORMAT_NAMES, formatNamed } from './formats/index.ts'
import { judge, meaningsOf } from './judge.ts'
import { WatchedRuns } from './watched-runs.ts'

const USAGE = `npm run fuzz -- [--runs N] [--format F[,F]] [--seed S] [--out DIR] [--threads N] [--hang-ms N]
Feeds every parser and verifier N hostile inputs a format (default 20000) and holds it to its promises.
A finding is written to DIR (default .fuzz) as hex and ends in exit code 1. --list prints the formats,
--format F --replay FILE.hex reads one input again.
`

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '20000' },
    format: { type: 'string', default: '' },
    seed: { type: 'string', default: '1' },
    out: { type: 'string', default: '.fuzz' },
    threads: { type: 'string', default: '1' },
    'hang-ms': { type: 'string', default: '30000' },
    replay: { type: 'string' },
    list: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
const numbers = [values.runs, values.seed, values.threads, values['hang-ms']].map(Number)
const [runs = 0, seed = 0, threads = 0, hangMs = 0] = numbers
const say = (text: string): boolean => process.stdout.write(text)

if (values.help || !numbers.every((number) => Number.isSafeInteger(number) && number >= 0)) {
  say(USAGE)
  process.exitCode = values.help ? 0 : 2
} else if (values.list) {
  say(`${FORMAT_NAMES.join('\n')}\n`)
} else {
  // The tool reads its version beside its code, which here lies compiled under test/fuzz/dist.
  await copyFile(
    new URL('../../../../../packages/cli/package.json', import.meta.url),
    new URL('../../packages/cli/package.json', import.meta.url),
  )
  if (values.replay === undefined) await fuzz()
  else await replay(values.replay)
  await rm(SCRATCH, { recursive: true, force: true })
}

async function replay(file: string): Promise<void> {
  const format = await formatNamed(values.format)
  const input = Buffer.from((await readFile(file, 'utf8')).trim(), 'hex')
  const verdict = await judge(format, input, await meaningsOf(format, () => {}))
  say(`${JSON.stringify(verdict)}\n`)
  process.exitCode = verdict.kind === 'finding' ? 1 : 0
}

async function fuzz(): Promise<void> {
  const chosen = values.format === '' ? FORMAT_NAMES : values.format.split(',')
  say(
    `${'format'.padEnd(22)}${'runs'.padStart(9)}${'accepted'.padStart(10)}${'per s'.padStart(9)}${'worst'.padStart(10)}  refused\n`,
  )
  const begun = performance.now()
  let findings = 0
  const waiting = [...chosen]
  const work = async (): Promise<void> => {
    const thread = new WatchedRuns(hangMs)
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      const report = await thread.run({ name, runs, seed })
      say(lineOf(report))
      if (report.finding === undefined) continue
      findings++
      say(await keep(report, report.finding))
    }
    await thread.close()
  }
  await Promise.all(Array.from({ length: Math.max(1, threads) }, work))
  const seconds = ((performance.now() - begun) / 1000).toFixed(1)
  say(`${chosen.length} formats, ${runs} inputs each, seed ${seed}: ${findings} findings in ${seconds} s\n`)
  process.exitCode = findings === 0 ? 0 : 1
}

function lineOf({ format, runs: read, accepted, refused, seconds, worstMs }: Report): string {
  const codes = refused.map(([code, count]) => `${code} ${count}`).join(', ')
  const rate = String(Math.round(read / Math.max(seconds, 0.001)))
  const columns = `${format.padEnd(22)}${String(read).padStart(9)}${String(accepted).padStart(10)}${rate.padStart(9)}`
  return `${columns}${`${worstMs.toFixed(1)} ms`.padStart(10)}  ${codes}\n`
}

async function keep({ format }: Report, { promised, what, input }: NonNullable<Report['finding']>): Promise<string> {
  await mkdir(values.out, { recursive: true })
  const file = join(values.out, `${format.replace(':', '-')}-${promised}.hex`)
  await writeFile(file, `${Buffer.from(input).toString('hex')}\n`)
  const readable = JSON.stringify(Buffer.from(input.subarray(0, 300)).toString('latin1'))
  return `  FINDING ${format}, ${promised}: ${what}\n  ${input.length} bytes in ${file}: ${readable}\n`
}
