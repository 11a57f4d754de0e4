import type { Command } from 'commander'
import { describe, expect, test } from 'vitest'
import { buildProgram, runCli } from './program.ts'

const sink = { write: () => 0 }

function leaves(
  command: Command,
  path: readonly string[] = [],
): readonly { readonly path: readonly string[]; readonly command: Command }[] {
  if (command.commands.length === 0) return [{ path, command }]
  return command.commands.flatMap((each) => leaves(each, [...path, each.name()]))
}

async function writ(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const texts = { out: '', err: '' }
  const code = await runCli(args, {
    out: { write: (text) => (texts.out += text) },
    err: { write: (text) => (texts.err += text) },
  })
  return { code, ...texts }
}

describe('--help', () => {
  const program = buildProgram(() => async () => undefined, { out: sink, err: sink }, false)
  test.each(leaves(program).map(({ path }) => [path.join(' '), path] as const))(
    'of `writ %s` says what it is for and shows an example',
    async (name, path) => {
      const { code, out } = await writ(...path, '--help')
      expect([name, code]).toEqual([name, 0])
      const [, shown = ''] = out.split(/\nExamples?:\n/)
      expect([name, shown.includes(`writ`)]).toEqual([name, true])
    },
  )
  test('has examples that the command takes', async () => {
    for (const { path } of leaves(program)) {
      const { out } = await writ(...path, '--help')
      const [, shown = ''] = out.split(/\nExamples?:\n/)
      const lines = shown.split('\n').filter((each) => /^ {2}\S/.test(each))
      expect([path, lines.length > 0]).toEqual([path, true])
      for (const line of lines) await parses(line.trim())
    }
  })
  test('names in its sentences only commands that there are', async () => {
    const known = new Set(everyPath(program))
    for (const path of known) {
      const { out } = await writ(...path.split(' ').filter(Boolean), '--help')
      for (const [, said = ''] of out.replaceAll(/\s+/g, ' ').matchAll(/(?:`|: |\()writ ([a-z][^`)]*)/g))
        expect([path, said, commandIn(said, known)]).toEqual([path, said, expect.any(String)])
    }
  })
})

function everyPath(command: Command, path: readonly string[] = []): readonly string[] {
  return [path.join(' '), ...command.commands.flatMap((each) => everyPath(each, [...path, each.name()]))]
}

/** The command that a text begins with: a group alone is none that can be run, but may be named. */
function commandIn(text: string, known: ReadonlySet<string>): string | undefined {
  const words = text.split(/[ .,;:]/)
  return [2, 1].map((count) => words.slice(0, count).join(' ')).find((name) => known.has(name))
}

/** Everything but what the command would do: its action is left out. */
async function parses(line: string): Promise<void> {
  const [typed = ''] = line
    .replace(/^source <\((.*)\)$/, '$1')
    .replace(/^[A-Z0-9_]+=\S+ /, '')
    .split(/ [|>] /)
  expect([line, typed.startsWith('writ ')]).toEqual([line, true])
  const words = [...typed.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, word]) => quoted ?? word ?? '')
  const said: string[] = []
  const program = buildProgram(
    () => async () => undefined,
    { out: sink, err: { write: (text) => said.push(text) } },
    false,
  )
  await program.parseAsync(words.slice(1), { from: 'user' }).catch(() => undefined)
  expect([line, said]).toEqual([line, []])
}

describe('what is wrong with the arguments', () => {
  test('ends with 2 and says what was meant and where the help is', async () => {
    const { code, out, err } = await writ('agnet', 'list')
    expect([code, out]).toEqual([2, ''])
    expect(err).toMatch(/^writ: usage: unknown command 'agnet' \(Did you mean agent\?\)\n .*--help/)
  })
  test('is JSON with --json, on stderr, and nothing else', async () => {
    for (const args of [
      ['agnet'],
      ['agent', 'create'],
      ['revoke', 'everything'],
      ['agent', 'list', '--nope'],
      ['intent', 'submit'],
    ]) {
      const { code, out, err } = await writ('--json', ...args)
      expect([args, code, out]).toEqual([args, 2, ''])
      expect(JSON.parse(err)).toMatchObject({ ok: false, code: 'usage', message: expect.any(String) })
    }
  })
  test('a group without a command shows its commands', async () => {
    const { code, err } = await writ('agent')
    expect([code, err]).toEqual([2, expect.stringContaining('rotate-key')])
  })
  test('-V prints the version', async () => {
    expect(await writ('-V')).toMatchObject({ code: 0, out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) })
  })
})
