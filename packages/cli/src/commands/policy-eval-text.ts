import type { Evaluator, PolicyBundle, PolicyInput } from '@writ/policy'
import { type Explained, type ExplainedReason, explainReasons, explainWorkflow, valueAt } from '../policy/explain.ts'
import type { RemainingStep } from '../policy/remaining-steps.ts'
import type { WhatIf, WhatIfSources } from '../policy/what-if.ts'
import { type Line, type Style, styled } from '../terminal/style.ts'

export interface AboutWhatIf {
  readonly bundle: PolicyBundle
  readonly evaluator: Pick<Evaluator, 'evaluate'>
  readonly policy: WhatIfSources['policy']
  readonly found: WhatIf
  /** Whether it could be read what devices last reported. */
  readonly reports: boolean
}

type Decided = Extract<WhatIf, { readonly decidedBy: 'policy' }>

export function valueOfWhatIf(about: AboutWhatIf): object {
  const { found, policy, reports } = about
  const under = { version: policy.version, ...policy.record }
  if (found.decidedBy === 'intake')
    return { ok: true, decided_by: 'intake', outcome: 'deny', reasons: [found.reason], policy: under }
  const { decision, input, remaining, leads_to } = found
  return {
    ok: true,
    decided_by: 'policy',
    ...decision,
    reasons: reasonsOf(about, found),
    workflow: explainWorkflow(about.bundle, input.intent.action),
    remaining,
    leads_to,
    policy: under,
    reports_readable: reports,
    input,
  }
}

function reasonsOf({ bundle, evaluator }: AboutWhatIf, { input, decision }: Decided): readonly ExplainedReason[] {
  return explainReasons(bundle, evaluator, input, decision)
}

const STYLES: Readonly<Record<string, Style>> = { allow: 'green', deny: 'red' }

export function linesOfWhatIf(about: AboutWhatIf): readonly Line[] {
  const { found, policy, reports } = about
  const { version, record } = policy
  if (found.decidedBy === 'intake') {
    const { code, message } = found.reason
    return [[styled('red', 'deny'), '  at intake, before policy is asked'], `  ${code}: ${message}`]
  }
  const { decision, input } = found
  const { outcome } = decision
  const unknown = input.targets.filter(({ report }) => report === undefined).map(({ id }) => id)
  return [
    [styled(STYLES[outcome] ?? 'yellow', outcome), `  under version ${version}, bundle ${record.bundle_sha256}`],
    ...reasonsOf(about, found).flatMap((reason) => linesOfReason(reason, input)),
    ...(outcome === 'deny' ? [] : linesOfTerms(about, found)),
    ...linesOfRemaining(found),
    ...(unknown.length === 0
      ? []
      : [
          `state     of ${unknown.join(', ')} unknown${reports ? ': no report of the last 150 s' : ': reports cannot be read here; assume one with --state'}`,
        ]),
  ]
}

function linesOfReason({ code, message, targets, rule }: ExplainedReason, input: PolicyInput): readonly Line[] {
  const whom = targets.length === 0 ? '' : `  (${targets.join(', ')})`
  return [`because   ${code}: ${message}${whom}`, ...(rule === undefined ? [] : linesOfRule(rule, input, targets))]
}

/** The rule as it is written, with what it names in its own module, and the values that it looked at. */
function linesOfRule(rule: Explained, input: PolicyInput, targets: readonly string[]): readonly Line[] {
  const own = rule.uses.filter(({ path }) => path === rule.path)
  const text = [rule, ...own].flatMap((one) => one.text.split('\n'))
  return [
    [styled('dim', `  ${rule.path}:${rule.line}`)],
    ...text.map((line): Line => [styled('dim', `    ${line.replaceAll('\t', '  ')}`)]),
    ...rule.looks_at.flatMap((path) => valuesLooked(path, input, targets)).map((line) => `  where ${line}`),
    ...Object.entries(rule.tables).map(([path, value]) => `  where ${path} is ${shown(value)}`),
  ]
}

function valuesLooked(path: string, input: PolicyInput, targets: readonly string[]): readonly string[] {
  if (!path.startsWith('input.target.')) return [`${path} is ${shown(valueAt(input, path))}`]
  return input.targets
    .filter(({ id }) => targets.length === 0 || targets.includes(id))
    .map((target) => `${path} of ${target.id} is ${shown(valueAt({ target }, path))}`)
}

function linesOfTerms({ bundle }: AboutWhatIf, { decision, input }: Decided): readonly Line[] {
  const workflow = explainWorkflow(bundle, input.intent.action)
  const floors = input.targets.filter(({ floor }) => floor !== undefined).map(({ id }) => id)
  return [
    ...(workflow === undefined ? [] : [`by        the workflow in ${workflow.path}`]),
    ...(floors.length === 0 ? [] : [`and       the floors in the records of ${floors.join(', ')}`]),
    ...Object.entries(decision.obligations).map(([name, value]) => `terms     ${name} ${shown(value)}`),
  ]
}

function linesOfRemaining({ remaining, leads_to, decision }: Decided): readonly Line[] {
  if (remaining.length === 0) return []
  const stuck = remaining.some((step) => step.step === 'approval' && !step.enough)
  const end = stuck ? 'too few people are registered who could' : `then ${leads_to}`
  return [
    ...remaining.map((step) => `it needs  ${sentenceOf(step)}`),
    ...(decision.outcome === leads_to && !stuck ? [] : [`          ${end}`]),
  ]
}

function sentenceOf(step: RemainingStep): string {
  if (step.step === 'attestation')
    return `attestation of the agent’s host, profile ${step.profile}, at most ${step.max_age_s} s old`
  const { count, roles, could } = step
  const people = could.length === 0 ? 'nobody' : could.join(', ')
  return `${count} ${count === 1 ? 'approval' : 'approvals'} by ${roles.join(' or ')} (${people} could)`
}

const SHOWN_MAX = 200

function shown(value: unknown): string {
  const text = value === undefined ? 'not there' : JSON.stringify(value)
  return text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text
}
