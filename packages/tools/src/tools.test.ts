import { chmod, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cached } from './cache.ts'
import { TOOLS } from './catalogue.ts'
import { advice, judge } from './judge.ts'
import { pythonOf } from './python-of.ts'
import { resolveTool } from './resolve-tool.ts'
import { compareVersions, parseVersion } from './version.ts'
import { versionText } from './version-text.ts'

const nats = TOOLS['nats-server']

describe('versions', () => {
  test('are found in what the tools say of themselves', () => {
    expect(parseVersion('nats-server: v2.15.2')).toEqual([2, 15, 2])
    expect(parseVersion('Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64')).toEqual([7, 0, 15])
    expect(parseVersion('Version: 1.22.2\nBuild Commit: abc\nGo Version: go1.26.8')).toEqual([1, 22, 2])
    expect(parseVersion('5:7.0.15-1~deb12u10')).toEqual([7, 0, 15])
    expect(parseVersion('v8.1')).toEqual([8, 1, 0])
    for (const text of ['', 'no number', 'v7', '1,2']) expect(parseVersion(text)).toBeUndefined()
  })

  test('are ordered by number, not by letter', () => {
    expect(compareVersions([2, 9, 0], [2, 10, 0])).toBeLessThan(0)
    expect(compareVersions([3, 0, 0], [2, 99, 99])).toBeGreaterThan(0)
    expect(compareVersions([1, 22, 2], [1, 22, 2])).toBe(0)
  })
})

describe('what a program says decides whether it will do', () => {
  test('an older one is refused with the reason', () => {
    expect(judge(nats, 'nats-server: v2.10.7')).toMatchObject({
      good: false,
      reason: expect.stringMatching(/2\.10\.7.*2\.12\.0 or newer/),
    })
  })
  test('a newer one will do, but not where output must be reproduced', () => {
    expect(judge(nats, 'nats-server: v2.99.0')).toEqual({ good: true, version: [2, 99, 0] })
    expect(judge(TOOLS.opa, 'Version: 1.23.0').good).toBe(false)
    expect(judge(TOOLS.opa, 'Version: 1.22.2').good).toBe(true)
  })
  test('one that does not run or tells nothing is refused', () => {
    expect(judge(nats, undefined).good).toBe(false)
    expect(judge(nats, 'hello').good).toBe(false)
  })
  test('every tool has advice that names a version, a way to get it and its variable', () => {
    for (const tool of Object.values(TOOLS)) expect(advice(tool)).toMatch(new RegExp(`${tool.name}.*${tool.variable}`))
  })
})

describe('what a program was built from tells its version', () => {
  let dir: string
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'writ-tells-'))
  })
  afterAll(() => rm(dir, { recursive: true, force: true }))
  const program = async (text: string): Promise<string> => {
    await writeFile(join(dir, 'program'), text)
    await chmod(join(dir, 'program'), 0o755)
    return join(dir, 'program')
  }
  const built = (module: string, version: string) =>
    program(`\x7fELF…path\t${module}/cmd/x\nmod\t${module}\t${version}\th1:abc=\ndep\tother\tv9.9.9\n`)

  test.each([
    ['versitygw', 'v1.8.0', true],
    ['versitygw', 'v1.7.9', false],
    ['versitygw', '(devel)', false],
    ['minio', 'v0.0.0-20260212201848-7aac2a2c5b7c', true],
    ['minio', 'v0.0.0-20250101000000-7aac2a2c5b7c', false],
    ['tessera-fsck', 'v1.0.4', true],
  ] as const)('%s %s', async (name, version, good) => {
    const { tells } = TOOLS[name]
    const path = await built(tells.by === 'go-build' ? tells.module : '', version)
    expect(judge(TOOLS[name], await versionText(tells, path, {})).good).toBe(good)
  })

  test('another program of the same name will not do', async () => {
    const disks = await program('#!/bin/sh\necho fsck from util-linux 2.38.1\n')
    const tool = TOOLS['tessera-fsck']
    expect(judge(tool, await versionText(tool.tells, disks, {}))).toEqual({
      good: false,
      reason: 'it does not tell its version',
    })
    expect(await versionText(tool.tells, join(dir, 'none'), {})).toBeUndefined()
  })

  test('a Python program is asked through its own interpreter', async () => {
    await mkdir(join(dir, 'bin'), { recursive: true })
    const python = join(dir, 'bin', 'python3')
    await writeFile(python, '#!/bin/sh\necho 5.2.5\n', { mode: 0o755 })
    const tool = TOOLS.moto_server
    const path = await program(`#!${python}\nimport moto\n`)
    expect(judge(tool, await versionText(tool.tells, path, {}))).toEqual({ good: true, version: [5, 2, 5] })
    expect(await versionText(tool.tells, await program('#!/bin/sh\n'), {})).toBeUndefined()
    // What was installed here has its environment beside it, wherever both were moved.
    await mkdir(join(dir, 'venv', 'bin'), { recursive: true })
    await rename(python, join(dir, 'venv', 'bin', 'python3'))
    await writeFile(join(dir, 'bin', 'moto_server'), '#!/bin/sh\nexec python\n', { mode: 0o755 })
    expect(await pythonOf(join(dir, 'bin', 'moto_server'))).toBe(join(dir, 'bin', '..', 'venv', 'bin', 'python3'))
  })
})

describe('resolving', () => {
  let dir: string
  const lines: string[] = []
  const log = (line: string) => void lines.push(line)
  const tool = async (path: string, says: string) => {
    await mkdir(join(path, '..'), { recursive: true })
    await writeFile(path, `#!/bin/sh\necho "${says}"\n`)
    await chmod(path, 0o755)
    return path
  }
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'writ-tools-'))
  })
  afterAll(() => rm(dir, { recursive: true, force: true }))
  const env = (more: Record<string, string>) => ({ PATH: '/usr/bin:/bin', XDG_CACHE_HOME: join(dir, 'none'), ...more })

  test('the variable comes first, and one that will not do is never passed over silently', async () => {
    const good = await tool(join(dir, 'v', 'nats-server'), 'nats-server: v2.14.0')
    const old = await tool(join(dir, 'v', 'old'), 'nats-server: v2.9.0')
    expect(await resolveTool('nats-server', { env: env({ WRIT_NATS_SERVER: good }), log })).toEqual({
      path: good,
      version: '2.14.0',
      from: 'variable',
    })
    for (const path of [old, join(dir, 'v', 'missing'), 'nats-server'])
      await expect(resolveTool('nats-server', { env: env({ WRIT_NATS_SERVER: path }), log })).rejects.toMatchObject({
        code: 'unavailable',
        message: expect.stringContaining('WRIT_NATS_SERVER'),
      })
  })

  test('PATH comes next, with a line for each that is refused; the cache after it, the newest first', async () => {
    const old = await tool(join(dir, 'p1', 'redis-server'), 'Redis server v=6.2.0 sha=0')
    const good = await tool(join(dir, 'p2', 'valkey-server'), 'Valkey server v=8.0.1 sha=0')
    lines.length = 0
    const found = await resolveTool('redis-server', { env: env({ PATH: `${dir}/p1:${dir}/p2:/usr/bin:/bin` }), log })
    expect(found).toEqual({ path: good, version: '8.0.1', from: 'path' })
    expect(lines).toEqual([expect.stringMatching(new RegExp(`^Passing over ${old}: it is 6\\.2\\.0`))])
    const cache = join(dir, 'cache', 'writ', 'tools')
    for (const version of ['2.9.9', '2.13.0', '2.12.5'])
      await tool(join(cache, `nats-server-${version}`, 'bin', 'nats-server'), `nats-server: v${version}`)
    expect(await cached(cache, nats)).toHaveLength(3)
    const kept = await resolveTool('nats-server', { env: env({ XDG_CACHE_HOME: join(dir, 'cache') }), log })
    expect(kept).toMatchObject({ version: '2.13.0', from: 'cache' })
  })

  test('two at once install once; what is half installed is never found', async () => {
    const count = join(dir, 'count')
    // A Go toolchain that takes its time, and leaves a program behind where it was told to.
    const script = `echo once >> ${count}; sleep 0.3; printf '#!/bin/sh\\necho nats-server: v2.15.2\\n' > "$GOBIN/nats-server"; chmod +x "$GOBIN/nats-server"`
    await mkdir(join(dir, 'g'), { recursive: true })
    await writeFile(join(dir, 'g', 'go'), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
    const options = { env: env({ PATH: `${dir}/g:/usr/bin:/bin`, XDG_CACHE_HOME: join(dir, 'two') }), log }
    const both = await Promise.all([resolveTool('nats-server', options), resolveTool('nats-server', options)])
    expect(both.map(({ from }) => from).sort()).toEqual(['cache', 'installed'])
    expect(both[0].path).toBe(join(dir, 'two', 'writ', 'tools', 'nats-server-2.15.2', 'bin', 'nats-server'))
    expect(await readFile(count, 'utf8')).toBe('once\n')
  })

  test('an installer that fails says what to do, and leaves nothing behind', async () => {
    await mkdir(join(dir, 'bad'), { recursive: true })
    await writeFile(join(dir, 'bad', 'go'), '#!/bin/sh\necho "no network" >&2; exit 1\n', { mode: 0o755 })
    const cache = join(dir, 'failed')
    const options = { env: env({ PATH: `${dir}/bad:/usr/bin:/bin`, XDG_CACHE_HOME: cache }), log }
    await expect(resolveTool('opa', options)).rejects.toMatchObject({
      message: expect.stringMatching(/go install.*WRIT_OPA.*no network/),
    })
    expect(await cached(join(cache, 'writ', 'tools'), TOOLS.opa)).toEqual([])
  })
})
