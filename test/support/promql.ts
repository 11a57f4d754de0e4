/** A metric as an expression names it, with what its matchers ask of labels. */
export interface Selector {
  readonly name: string
  /** Label and the values that it must have one of; none where the matcher names no plain values. */
  readonly matchers: readonly { readonly label: string; readonly values: readonly string[] }[]
}

export interface Used {
  readonly selectors: readonly Selector[]
  /** Labels that results are grouped by. */
  readonly groupedBy: readonly string[]
}

const KEYWORDS = new Set(['and', 'or', 'unless', 'by', 'without', 'on', 'ignoring', 'bool', 'offset', 'inf', 'nan'])
const GROUPING = /\b(?:by|without|on|ignoring)\s*\(([^)]*)\)/g
const SELECTOR = /([a-zA-Z_:][a-zA-Z0-9_:]*)(\s*\()?(?:\{([^}]*)\})?/g
const MATCHER = /([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"/g

/** What an expression of the plain kind (no subqueries, no strings outside of matchers) needs to be there. */
export function usedBy(expr: string): Used {
  const groupedBy = [...expr.matchAll(GROUPING)].flatMap(([, list = '']) =>
    list.split(',').map((label) => label.trim()),
  )
  const plain = expr.replace(GROUPING, ' ').replace(/\[[^\]]*\]/g, ' ')
  const selectors = [...plain.matchAll(SELECTOR)]
    .filter(([, name = '', call]) => call === undefined && !KEYWORDS.has(name.toLowerCase()))
    .map(([, name = '', , matchers = '']) => ({ name, matchers: matchersOf(matchers) }))
  return { selectors, groupedBy: groupedBy.filter((label) => label !== '') }
}

function matchersOf(text: string): Selector['matchers'] {
  return [...text.matchAll(MATCHER)].map(([, label = '', , value = '']) => ({
    label,
    values: value.split('|').filter((each) => /^[\w.-]+$/.test(each)),
  }))
}

/** One line of Prometheus' text format. */
export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface Family {
  readonly name: string
  readonly type: string
  readonly help: string
}

export function parseMetrics(text: string): {
  readonly samples: readonly Sample[]
  readonly families: readonly Family[]
} {
  const lines = text.split('\n').filter((line) => line !== '')
  const help = new Map(lines.flatMap((line) => comment(line, 'HELP')))
  const families = lines.flatMap((line) =>
    comment(line, 'TYPE').map(([name, type]) => ({ name, type, help: help.get(name) ?? '' })),
  )
  return { families, samples: lines.filter((line) => !line.startsWith('#')).map(sampleOf) }
}

function comment(line: string, kind: 'HELP' | 'TYPE'): [string, string][] {
  const [, name, rest] = new RegExp(`^# ${kind} (\\S+) (.*)$`).exec(line) ?? []
  return name === undefined || rest === undefined ? [] : [[name, rest]]
}

function sampleOf(line: string): Sample {
  const [, name = '', labels = '', value = ''] = /^([^{ ]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
  const pairs = [...labels.matchAll(/([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g)].map(([, label = '', text = '']) => [
    label,
    text,
  ])
  return {
    name,
    labels: Object.fromEntries(pairs) as Record<string, string>,
    value: Number(value.replace('Inf', 'Infinity')),
  }
}
