import { PARTY_KINDS, SERVICE_ROLES } from '../messages/common.ts'
import { crossings } from './crossings.ts'
import { overlap } from './match.ts'
import { type IdentityKind, permissions } from './permissions.ts'
import { STREAMS, streams } from './streams.ts'
import { subjects } from './subjects.ts'

interface Edge {
  readonly from: string
  readonly to: string
  readonly label: string
  /** Reading, or hearing what was stored, in contrast to publishing or asking. */
  readonly reads: boolean
}

const KINDS: readonly IdentityKind[] = [...PARTY_KINDS, ...SERVICE_ROLES]
const GROUPS: readonly { readonly name: string; readonly kinds: readonly IdentityKind[] }[] = [
  { name: 'EDGE', kinds: PARTY_KINDS },
  { name: 'SVC', kinds: SERVICE_ROLES },
]
/** Stands for the identity's own id in every permission. */
const ID = 'id'

/** Who may talk to whom, as a Mermaid flowchart made from the permissions themselves. */
export function diagram(region: string): string {
  const edges = merge(fold(KINDS.flatMap((kind) => edgesOf(region, kind))))
  return [
    'flowchart LR',
    ...subgraph('EDGE', 'EDGE: agents, gateways, people', PARTY_KINDS),
    ...subgraph(
      'STORE',
      'STORE: streams; nobody logs in',
      STREAMS.map((name) => `${name}[(${name})]`),
    ),
    ...subgraph('SVC', 'SVC: services', SERVICE_ROLES),
    ...edges.map(({ from, to, label, reads }) => `  ${from} ${reads ? '-.->' : '-->'}|${label}| ${to}`),
    '',
  ].join('\n')
}

function subgraph(name: string, title: string, nodes: readonly string[]): readonly string[] {
  return [`  subgraph ${name}["${title}"]`, ...nodes.map((node) => `    ${node}`), '  end']
}

function edgesOf(region: string, kind: IdentityKind): readonly Edge[] {
  const { pub, sub } = permissions(region, kind, ID)
  return [
    ...pub.flatMap((subject) => fromPublishing(region, kind, subject)),
    ...sub.flatMap((subject) => fromHearing(region, kind, subject)),
  ]
}

function fromPublishing(region: string, kind: IdentityKind, subject: string): readonly Edge[] {
  const read = /^\$JS\.API\.(DIRECT\.GET|CONSUMER\.MSG\.NEXT)\.([^.]+)/.exec(subject)
  if (read?.[2] !== undefined)
    return [{ from: read[2], to: kind, label: read[1] === 'DIRECT.GET' ? 'read' : 'pull', reads: true }]
  const holders = streams(region).filter((stream) => stream.subjects.some((held) => overlap(held, subject)))
  const hearers = holders.length > 0 ? [] : KINDS.filter((other) => hears(region, other, subject))
  return [...holders.map(({ name }) => name), ...hearers]
    .filter((to) => to !== kind)
    .map((to) => ({ from: kind, to, label: labelOf(region, subject), reads: false }))
}

function hears(region: string, kind: IdentityKind, subject: string): boolean {
  const isAnswer = subject.startsWith(`${subjects(region).prefix}answer.`)
  return !isAnswer && permissions(region, kind, ID).sub.some((heard) => overlap(heard, subject))
}

function fromHearing(region: string, kind: IdentityKind, subject: string): readonly Edge[] {
  const announced = crossings(region)
    .filter((crossing) => crossing.kind === 'stream' && crossing.from === 'STORE')
    .filter((crossing) => overlap(crossing.as ?? crossing.subject, subject))
  return streams(region)
    .filter(
      ({ republish }) =>
        republish !== undefined && announced.some((one) => overlap(one.subject, plain(republish.dest))),
    )
    .map(({ name }) => ({ from: name, to: kind, label: 'live', reads: true }))
}

const plain = (dest: string): string => dest.replace(/\{\{wildcard\(\d\)\}\}/g, '*')

/** The words of a subject that are the same for everybody. */
function labelOf(region: string, subject: string): string {
  const words = subject
    .replace(subjects(region).prefix, '')
    .replace(/^\$KV\..*/, 'write')
    .split('.')
  const variable = words.findIndex((word) => word === ID || '*>'.includes(word) || KINDS.some((kind) => kind === word))
  return words.slice(0, variable === -1 ? undefined : variable).join('.')
}

/** What every kind of an account does, or every other one, becomes one edge of the account. */
function fold(edges: readonly Edge[]): readonly Edge[] {
  return GROUPS.reduce<readonly Edge[]>((left, { name, kinds }) => {
    const has = (edge: Edge): boolean => edge.from === edge.to || left.some((other) => same(other, edge))
    const members = new Set<string>(kinds)
    return left.map((edge) => ({
      ...edge,
      ...(members.has(edge.to) && kinds.every((to) => has({ ...edge, to })) && { to: name }),
      ...(members.has(edge.from) && kinds.every((from) => has({ ...edge, from })) && { from: name }),
    }))
  }, edges)
}

const same = (a: Edge, b: Edge): boolean =>
  a.from === b.from && a.to === b.to && a.label === b.label && a.reads === b.reads

/** One line for each pair and direction, with all its labels. */
function merge(edges: readonly Edge[]): readonly Edge[] {
  const merged = new Map<string, Edge>()
  for (const edge of edges) {
    const key = `${edge.from} ${edge.to} ${edge.reads}`
    const labels = new Set([...(merged.get(key)?.label.split(', ') ?? []), edge.label])
    merged.set(key, { ...edge, label: [...labels].join(', ') })
  }
  return [...merged.values()]
}
