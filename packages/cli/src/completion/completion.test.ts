import { execFile, execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buildProgram, runCli } from '../program.ts'
import { describeCommands } from './describe-commands.ts'

let dir: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'writ-completion-'))
})
afterAll(() => rm(dir, { recursive: true, force: true }))

async function script(shell: string): Promise<string> {
  let text = ''
  const code = await runCli(['completion', shell], {
    out: { write: (part) => (text += part) },
    err: { write: () => 0 },
  })
  expect(code).toBe(0)
  const file = join(dir, `writ.${shell}`)
  await writeFile(file, text)
  return file
}

function run(program: string, ...args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, args, (error, out, err) =>
      error === null ? resolve(out) : reject(new Error(`${error.message}${err}`)),
    )
  })
}

function has(shell: string): boolean {
  try {
    execFileSync(shell, ['-c', 'true'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** What is typed so far, the last word perhaps empty, and what must and must not be offered. */
const CASES: readonly (readonly [words: readonly string[], offered: readonly string[], not: readonly string[]])[] = [
  [['ag'], ['agent'], ['audit', 'approver']],
  [
    ['agent', ''],
    ['create', 'list', 'show', 'rotate-key', 'remove'],
    ['agent', 'submit'],
  ],
  [['--json', '--home', '/tmp', 'revocation', ''], ['list'], ['create']],
  [['revoke', ''], ['agent', 'user', 'endorsements', 'all'], ['maintenance']],
  [['revoke', 'de'], ['device'], ['agent']],
  [['revoke', 'agent', ''], [], ['agent']],
  [['intent', 'list', '--state', 'su'], ['succeeded'], ['failed']],
  [['agent', 'create', 'line-2', '--u'], ['--users', '--unfinished-max'], ['--actions']],
  // The value of an option is no command, though it reads like one.
  [['agent', 'create', 'line-2', '--reason', 'list', '--gr'], ['--groups'], ['--all']],
  [['completion', ''], ['bash', 'zsh', 'fish'], ['sh']],
]

describe('bash', () => {
  test('completes commands, options and values, without starting a process', async () => {
    const file = await script('bash')
    const lines = CASES.map(([words]) => {
      const quoted = ['writ', ...words].map((word) => `'${word}'`).join(' ')
      return `COMP_WORDS=(${quoted}); COMP_CWORD=${words.length}; _writ; echo "\${COMPREPLY[*]}"`
    })
    const out = await run('bash', '--norc', '-c', `source '${file}'; writ() { exit 9; }; ${lines.join('; ')}`)
    const answers = out.split('\n')
    CASES.forEach(([words, offered, not], at) => {
      const found = (answers[at] ?? '').split(' ').filter((word) => word !== '')
      expect([words, found]).toEqual([words, expect.arrayContaining([...offered])])
      for (const word of not) expect(found).not.toContain(word)
    })
  })
  test('completes folders where a folder is wanted, and files where a file is', async () => {
    const file = await script('bash')
    await writeFile(join(dir, 'floors.json'), '{}')
    const typed = (...words: string[]) =>
      `COMP_WORDS=(writ ${words.join(' ')}); COMP_CWORD=${words.length}; _writ; echo "\${COMPREPLY[*]}"`
    const asked = [
      typed('device', 'create', 'x', '--floors', join(dir, 'fl')),
      typed('agent', 'create', 'x', '--out', dir),
    ]
    const out = await run('bash', '--norc', '-c', `source '${file}'; ${asked.join('; ')}`)
    expect(out.split('\n').slice(0, 2)).toEqual([join(dir, 'floors.json'), dir])
  })
  test('offers a name with spaces or stars as one, as it is', async () => {
    const file = await script('bash')
    const odd = join(dir, 'odd')
    await mkdir(join(odd, 'night shift *'), { recursive: true })
    await writeFile(join(odd, 'press hall *.json'), '{}')
    const typed = (option: string) =>
      `COMP_WORDS=(writ device create x ${option} '${odd}/'); COMP_CWORD=5; _writ; printf '%s|' "\${COMPREPLY[@]}"; echo`
    const asked = `${typed('--floors')}; COMP_WORDS=(writ agent create x --out '${odd}/'); _writ; printf '%s|' "\${COMPREPLY[@]}"`
    const [files = '', folders] = (await run('bash', '--norc', '-c', `source '${file}'; ${asked}`)).split('\n')
    expect(files.split('|').toSorted()).toEqual(['', `${odd}/night shift *`, `${odd}/press hall *.json`])
    expect(folders).toBe(`${odd}/night shift *|`)
  })
})

describe('zsh', () => {
  test.runIf(has('zsh'))('completes the same, with what each is for', async () => {
    const file = await script('zsh')
    await run('zsh', '-n', file)
    const stubs = `compdef() { : }
_describe() { [[ $1 == -o ]] && shift; local each; for each in "\${(@P)2}"; do print -rn -- "\${each%%:*} "; done }
compadd() { shift; print -r -- "$*" }
_files() { print -r -- "files $*" }`
    const lines = CASES.map(
      ([words]) =>
        `words=(${['writ', ...words].map((word) => `'${word}'`).join(' ')}); CURRENT=${words.length + 1}; print -r -- "=$(_writ)"`,
    )
    const out = await run('zsh', '-f', '-c', `${stubs}\nsource '${file}'\n${lines.join('\n')}`)
    const answers = out.split('\n=').map((answer) => answer.replace(/^=/, '').split(/\s+/))
    // zsh itself narrows by what is typed, so what must not be there is only what belongs elsewhere.
    CASES.forEach(([words, offered], at) => {
      expect([words, answers[at]]).toEqual([words, expect.arrayContaining([...offered])])
    })
  })
  test('is told of every command', async () => {
    const file = await script('zsh')
    const text = await import('node:fs/promises').then(({ readFile }) => readFile(file, 'utf8'))
    expect(text).toMatch(/^#compdef writ\n/)
    for (const { name } of everyCommand()[0]?.commands ?? []) expect(text).toContain(`'${name}:`)
  })
})

describe('fish', () => {
  test.runIf(has('fish'))('completes the same', async () => {
    const file = await script('fish')
    await run('fish', '-n', file)
    const asked = CASES.map(
      ([words]) => `echo "=" (complete -C "writ ${words.join(' ')}" | string replace -r '\\t.*' '')`,
    )
    const out = await run('fish', '--no-config', '-c', `source '${file}'; ${asked.join('; ')}`)
    CASES.forEach(([words, offered, not], at) => {
      const found = (out.split('\n')[at] ?? '').split(' ')
      expect([words, found]).toEqual([words, expect.arrayContaining([...offered])])
      if (words.at(-1) !== '')
        for (const word of not) expect([words, found]).not.toEqual([words, expect.arrayContaining([word])])
    })
  })
  test('is told of every command', async () => {
    const file = await script('fish')
    const text = await import('node:fs/promises').then(({ readFile }) => readFile(file, 'utf8'))
    for (const { path } of everyCommand().slice(1)) expect(text).toContain(`'${path}'`)
  })
})

function everyCommand() {
  const sink = { write: () => 0 }
  const program: Command = buildProgram(() => async () => undefined, { out: sink, err: sink }, false)
  return describeCommands(program)
}
