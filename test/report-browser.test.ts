import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { SubmittedIntent } from '@writ/agent-sdk'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findBrowser, openPage, photographPage } from './support/browser.ts'
import { type LocalStack, startLocalStack } from './support/local-stack.ts'
import { until } from './support/outsider.ts'
import { Lab, USER } from './support/promises-lab.ts'

// The report in a browser, not only its text: what a reader's browser makes of it, and what it would do with a script that got in.

const browser = findBrowser(process.env)
const named =
  browser === undefined
    ? 'skipped: no Chromium or Chrome in PATH, and WRIT_BROWSER names none'
    : `writ audit report, opened in ${browser}`

const RUNS = 'document.title=&quot;ran&quot;'
/** Two ways to run a script. */
const SCRIPT = `<script>document.title="ran"</script><img src="x" onerror="${RUNS}">`
const PURPOSE = `Look ${SCRIPT} \u{202e}here`

describe.skipIf(browser === undefined)(named, () => {
  const program = browser ?? ''
  let local: LocalStack
  let lab: Lab
  let intents: readonly SubmittedIntent[]
  let file: string
  let page: string

  beforeAll(async () => {
    local = await startLocalStack('report')
    lab = await Lab.open(local)
    await lab.gateway('gw-report')
    await lab.device('shown', 'gw-report')
    const ask = (target: string) =>
      lab.agent.submit({ action: 'telemetry-read', targets: [target], onBehalfOf: USER, purpose: PURPOSE })
    intents = [await ask('shown'), await ask('nowhere')]
    const [good, bad] = await Promise.all(intents.map((intent) => lab.end(intent)))
    expect([good?.state, bad?.state]).toEqual(['succeeded', 'denied'])
    file = join(local.home, 'report.html')
    const args = ['audit', 'report', '--open', '--html', file, '--agent', lab.agent.id]
    await until('both are in the report, with their ends', async () => {
      await local.writ(args, { fails: true })
      page = await readFile(file, 'utf8').catch(() => '')
      return (
        page.includes('✓ VERIFIED') &&
        intents.every(({ digest }) => page.includes(`id="intent-${digest}"`)) &&
        page.includes('<span class="badge good">succeeded</span>') &&
        page.includes('<span class="badge bad">denied</span>')
      )
    })
  })
  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]()
    await local?.[Symbol.asyncDispose]()
  })

  const altered = async (name: string, change: (page: string) => string): Promise<string> => {
    const changed = change(page)
    expect(changed).not.toBe(page)
    await writeFile(join(local.home, name), changed)
    return join(local.home, name)
  }
  const withScript = (text: string): string => text.replace('<main>', `<main>${SCRIPT}<p style="color: red">red</p>`)
  const withoutPolicy = (text: string): string => text.replace(/<meta http-equiv="Content-Security-Policy"[^>]*>/, '')

  test('shows each intent with its end, its links and its words as text, and the console stays empty', async () => {
    const { dom, console } = await openPage(program, file)
    expect(console).toEqual([])
    expect(dom).toContain('<title>Evidence report: ')
    expect(dom).toContain('<strong>✓ VERIFIED</strong>')
    for (const { digest } of intents) {
      expect(dom).toContain(`<article class="card" id="intent-${digest}">`)
      expect(dom).toContain(`href="#intent-${digest}"`)
    }
    const anchors = new Set([...dom.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id))
    const links = [...dom.matchAll(/ href="([^"]+)"/g)].map(([, href]) => href ?? '')
    expect(links.filter((href) => !anchors.has(href.slice(1)) || !href.startsWith('#'))).toEqual([])
    expect(dom.split('<blockquote><bdi>Look &lt;script&gt;document.title="ran"&lt;/script&gt;&lt;img ').length).toBe(3)
    expect(dom).not.toMatch(/<script|<img|<iframe|<link|\u{202e}/u)
  })

  test('runs no script, handler or style that got in: its policy is in force; without it they would run', async () => {
    const hurt = await openPage(program, await altered('hurt.html', withScript))
    expect(hurt.dom).toContain('<title>Evidence report: ')
    const breaches = hurt.console.filter((line) => line.includes('Content Security Policy'))
    for (const what of ['inline script', 'inline event handler', 'inline style', 'Loading the image'])
      expect(breaches).toContainEqual(expect.stringContaining(what))

    const bare = await openPage(program, await altered('bare.html', (text) => withoutPolicy(withScript(text))))
    expect(bare.dom).toContain('<title>ran</title>')
  })

  test('looks as it should: its own style is what the policy lets in', async () => {
    const styled = await photographPage(program, file)
    expect(styled.subarray(1, 4).toString('latin1')).toBe('PNG')
    const plain = await photographPage(
      program,
      await altered('plain.html', (text) => text.replace(/<style>[\s\S]*<\/style>/, '')),
    )
    expect(styled.equals(plain)).toBe(false)
    const otherStyle = await altered('other.html', (text) => text.replace('<style>', '<style>body { color: red }'))
    expect((await photographPage(program, otherStyle)).equals(plain)).toBe(true)
  })
})
