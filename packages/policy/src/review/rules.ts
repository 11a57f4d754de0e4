import type { Reason } from '@writ/contracts'
import type { PolicyBundle } from '../bundle/open-bundle.ts'

/** A rule as it is written in a bundle. */
export interface RuleSource {
  /** Of the module in the bundle, for example `rego/actions/restart.rego`. */
  readonly path: string
  /** Of the rule's head, from 1. */
  readonly line: number
  /** `writ.actions.restart` */
  readonly package: string
  readonly name: string
  readonly text: string
  /** Of the METADATA above it. */
  readonly title?: string
  readonly code?: string
}

/** A rule with what it rests on, as far as its text says. */
export interface RuleTrace {
  readonly rule: RuleSource
  /** Rules that it names, directly or by another one, in the order in which they are met. */
  readonly uses: readonly RuleSource[]
  /** Paths under `input` that stand in these rules, for example `input.target.jurisdiction`. */
  readonly inputs: readonly string[]
  /** Paths of the tables that stand in these rules, for example `data.restart.modes`. */
  readonly tables: readonly string[]
}

type Bundle = Pick<PolicyBundle, 'modules'>

/** Every rule of the bundle's modules. The text is read by its layout, which `opa fmt` gives: each rule begins in the first column. */
export function rulesOf({ modules }: Bundle): readonly RuleSource[] {
  return [...modules].flatMap(([path, text]) => rulesIn(path.replace(/^\//, ''), text))
}

/** The rule that gives a reason. Undefined where none is annotated with it word for word. */
export function ruleOfReason(bundle: Bundle, { code, message }: Reason): RuleTrace | undefined {
  const rules = rulesOf(bundle)
  const rule = rules.find((candidate) => candidate.title === message && candidate.code === code)
  return rule === undefined ? undefined : trace(bundle, rules, [rule])
}

/** The rules by which the workflow of an action allows it and sets its terms. Undefined where the bundle has no such workflow. */
export function rulesThatAllow(bundle: Bundle, action: string): RuleTrace | undefined {
  const rules = rulesOf(bundle)
  const own = rules.filter((rule) => rule.package === `writ.actions.${action}`)
  const wanted = own.filter(({ name }) => name === 'allow' || name === 'terms')
  return wanted.length === 0 ? undefined : trace(bundle, rules, wanted)
}

function rulesIn(path: string, text: string): readonly RuleSource[] {
  const lines = text.split('\n')
  const found: RuleSource[] = []
  let comment: string[] = []
  let name = ''
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] as string
    if (line.startsWith('#')) comment.push(line)
    else if (line.startsWith('package ')) name = packageName(line)
    else if (/^[a-z_]/i.test(line) && !line.startsWith('import ')) {
      const end = endOf(lines, at)
      const rule = lines.slice(at, end + 1).join('\n')
      found.push({ path, line: at + 1, package: name, name: headOf(line), text: rule, ...annotations(comment) })
      at = end
    }
    if (!line.startsWith('#')) comment = []
  }
  return found
}

/** `package writ.actions["valve-open"]` */
function packageName(line: string): string {
  return line
    .slice('package '.length)
    .trim()
    .replaceAll(/\["([^"]*)"\]/g, '.$1')
}

function headOf(line: string): string {
  return /^(?:default )?([A-Za-z_][A-Za-z0-9_]*)/.exec(line)?.[1] ?? ''
}

/** The last line of what begins here: where every bracket is closed. */
function endOf(lines: readonly string[], start: number): number {
  let open = 0
  for (let at = start; at < lines.length; at++) {
    const code = (lines[at] as string).replaceAll(/"(?:[^"\\]|\\.)*"|`[^`]*`|#.*$/g, '')
    open += (code.match(/[([{]/g)?.length ?? 0) - (code.match(/[)\]}]/g)?.length ?? 0)
    if (open <= 0) return at
  }
  return lines.length - 1
}

function annotations(comment: readonly string[]): { title?: string; code?: string } {
  const start = comment.lastIndexOf('# METADATA')
  if (start < 0) return {}
  const value = (name: string) =>
    comment
      .slice(start)
      .map((line) => new RegExp(`^#\\s+${name}: (.*)$`).exec(line)?.[1]?.trim())
      .find((found) => found !== undefined)
  const [title, code] = [value('title'), value('code')]
  return { ...(title !== undefined && { title }), ...(code !== undefined && { code }) }
}

function trace(bundle: Bundle, rules: readonly RuleSource[], from: readonly RuleSource[]): RuleTrace {
  const met = [...from]
  for (const rule of met) {
    const { text } = stripped(rule)
    const aliases = aliasesOf(bundle, rule.path)
    for (const other of rules) {
      if (!met.includes(other) && names(text, rule, other, aliases)) met.push(other)
    }
  }
  const texts = met.map((rule) => stripped(rule).text).join('\n')
  return {
    rule: from[0] as RuleSource,
    uses: met.slice(1),
    inputs: paths(texts, 'input'),
    tables: paths(texts, 'data').filter((path) => !path.startsWith('data.writ')),
  }
}

/** Comments and texts name nothing. */
function stripped({ text }: RuleSource): { readonly text: string } {
  return { text: text.replaceAll(/#.*$|"(?:[^"\\]|\\.)*"/gm, '""') }
}

/** `import data.writ.lib.state` makes `state` a name of that package. */
function aliasesOf({ modules }: Bundle, path: string): ReadonlyMap<string, string> {
  const text = modules.get(path) ?? modules.get(`/${path}`) ?? ''
  return new Map(
    [...text.matchAll(/^import data\.([a-z_.]+)(?: as ([a-z_]+))?$/gm)].map(([, name = '', as]) => [
      as ?? (name.split('.').at(-1) as string),
      name,
    ]),
  )
}

function names(text: string, rule: RuleSource, other: RuleSource, aliases: ReadonlyMap<string, string>): boolean {
  // No rule of Rego names itself: its own name in its text is its head.
  if (other.package === rule.package && other.name === rule.name) return false
  if (other.package === rule.package) return new RegExp(`(?<![.\\w])${other.name}(?!\\w)`).test(text)
  return [...aliases].some(
    ([alias, name]) => name === other.package && new RegExp(`(?<![.\\w])${alias}\\.${other.name}(?!\\w)`).test(text),
  )
}

function paths(text: string, root: string): readonly string[] {
  const found = [...text.matchAll(new RegExp(`(?<![.\\w])${root}((?:\\.[a-z_][a-z0-9_]*)+)`, 'g'))]
  return [...new Set(found.map(([path]) => path))].toSorted()
}
