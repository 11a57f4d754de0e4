import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { diagram } from '@writ/contracts'
import { describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
const readme = readFileSync(join(root, 'README.md'), 'utf8')
const packages = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
  readonly packages: Record<
    string,
    { readonly dependencies?: Record<string, string>; readonly devDependencies?: Record<string, string> }
  >
}

describe('README', () => {
  test('its picture is made from the permission table', () => {
    expect(readme).toContain(`\`\`\`mermaid\n${diagram('eusc-de-east-1').trim()}\n\`\`\``)
  })

  test('names, for each promise, tests that exist and speak of it', () => {
    for (let n = 1; n <= 12; n++) {
      const row = readme.split('\n').find((line) => line.startsWith(`| **G${n}** `)) ?? ''
      const files = [...row.matchAll(/`([\w/.-]+\.test\.ts)`/g)].map(([, file]) => join(root, file ?? ''))
      expect([n, files.length > 0, files.filter((file) => !existsSync(file))]).toEqual([n, true, []])
      const speak = files.filter((file) => new RegExp(`\\bG${n}\\b`).test(readFileSync(file, 'utf8')))
      expect([n, speak.length > 0]).toEqual([n, true])
    }
  })

  test('the picture of the story shows the steps that README shows', () => {
    const picture = readFileSync(join(root, 'docs/story.svg'), 'utf8')
    const titles = readme.match(/^\d+\. .+$/gm) ?? []
    expect(titles.length).toBeGreaterThan(3)
    for (const title of titles) expect(picture).toContain(`class="title">${title}<`)
    expect(picture).toContain('steps came out as they should')
  })

  test('gives a reason for every dependency', () => {
    const used = Object.entries(packages.packages)
      .filter(([path]) => !path.includes('node_modules'))
      .flatMap(([, { dependencies = {}, devDependencies = {} }]) =>
        Object.keys({ ...dependencies, ...devDependencies }),
      )
      .filter((name) => !name.startsWith('@writ/'))
    expect([...new Set(used)].filter((name) => !readme.includes(`\`${name}\``))).toEqual([])
  })
})
