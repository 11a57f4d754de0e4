/**
 * Evaluates IAM policy documents, strictly: whatever this file does not know makes it throw, so that a document is never judged by half. As the IAM user guide
 * describes it for one account: an explicit deny in any policy decides; else an allow of the resource's policy for the very principal, or of the principal's own
 * policies where the resource leaves it to those; else no.
 */
export interface Call {
  readonly action: string
  readonly resource: string
  /** ARN of the role or user, as `aws:PrincipalArn` gives it; undefined: nobody (an anonymous request). */
  readonly principal: string | undefined
  /** What its own policies allow: nothing, or everything as for an administrator. */
  readonly own: 'nothing' | 'everything'
  /** Condition keys of the request; a key that is not here is absent from it. */
  readonly context: Readonly<Record<string, string>>
}

/** The Sid that decided, or `default` where nothing allows it. */
export interface Decision {
  readonly allowed: boolean
  readonly by: string
}

const STATEMENT_MEMBERS = ['Sid', 'Effect', 'Principal', 'Action', 'Resource', 'NotResource', 'Condition']

/** `ownCounts`: whether the resource is one whose policy leaves the rest to the principals' own policies (S3 in the same account), or not (a KMS key that does not name its account). */
export function decide(document: unknown, call: Call, { ownCounts }: { readonly ownCounts: boolean }): Decision {
  const statements = statementsOf(document).filter((statement) => applies(statement, call))
  const denied = statements.find(({ Effect }) => Effect === 'Deny')
  if (denied !== undefined) return { allowed: false, by: denied.Sid }
  const allowed = statements.find(({ Effect }) => Effect === 'Allow')
  if (allowed !== undefined) return { allowed: true, by: allowed.Sid }
  return ownCounts && call.own === 'everything' ? { allowed: true, by: 'own' } : { allowed: false, by: 'default' }
}

export interface Statement {
  readonly Sid: string
  readonly Effect: 'Allow' | 'Deny'
  readonly Principal: unknown
  readonly Action: unknown
  readonly Resource?: unknown
  readonly NotResource?: unknown
  readonly Condition?: unknown
}

export function statementsOf(document: unknown): readonly Statement[] {
  const { Version, Statement: statements, ...rest } = document as Record<string, unknown>
  if (Version !== '2012-10-17' || !Array.isArray(statements) || Object.keys(rest).length > 0)
    throw new Error('not a policy document')
  return statements.map((each: Record<string, unknown>) => {
    const unknown = Object.keys(each).find((member) => !STATEMENT_MEMBERS.includes(member))
    if (unknown !== undefined) throw new Error(`unknown member ${unknown}`)
    if (typeof each['Sid'] !== 'string' || !/^[A-Za-z0-9]+$/.test(each['Sid']))
      throw new Error('a statement without a Sid')
    if (each['Effect'] !== 'Allow' && each['Effect'] !== 'Deny') throw new Error('an unknown effect')
    return each as unknown as Statement
  })
}

function applies({ Principal, Action, Resource, NotResource, Condition }: Statement, call: Call): boolean {
  const isAction = list(Action).some((pattern) => like(pattern.toLowerCase(), call.action.toLowerCase()))
  // Only the policy that says who assumes a role names no resource: it is the role.
  if (Resource === undefined && NotResource === undefined && !call.action.startsWith('sts:'))
    throw new Error('no resource')
  const isResource =
    Resource === undefined && NotResource === undefined
      ? true
      : NotResource === undefined
        ? list(Resource).some((pattern) => like(pattern, call.resource))
        : !list(NotResource).some((pattern) => like(pattern, call.resource))
  return isPrincipal(Principal, call.principal) && isAction && isResource && holds(Condition, call)
}

/** Everybody, or ARNs in full: principals know no wildcards within. */
function isPrincipal(principal: unknown, caller: string | undefined): boolean {
  if (principal === '*') return true
  const { AWS, ...rest } = principal as { readonly AWS?: unknown }
  if (AWS === undefined || Object.keys(rest).length > 0) throw new Error('an unknown kind of principal')
  return list(AWS).some((arn) => {
    if (arn === '*') return true
    if (!/^arn:[a-z-]+:iam::\d{12}:(?:role|user)\/[\w+=,.@/-]+$/.test(arn)) throw new Error(`not a principal: ${arn}`)
    return arn === caller
  })
}

type Operator = (wanted: readonly string[], value: string | undefined) => boolean

const number = (text: string): number => {
  const value = Number(text)
  if (!Number.isFinite(value)) throw new Error(`not a number: ${text}`)
  return value
}
const present =
  (test: (wanted: string, value: string) => boolean): Operator =>
  (wanted, value) =>
    value !== undefined && wanted.some((each) => test(each, value))

/** Of an absent key the negated ones hold and the others do not. */
const OPERATORS: Readonly<Record<string, Operator>> = {
  Null: ([wanted], value) => (value === undefined) === bool(wanted),
  Bool: present((wanted, value) => bool(wanted) === bool(value)),
  StringEquals: present((wanted, value) => wanted === value),
  StringNotEquals: (wanted, value) => value === undefined || !wanted.includes(value),
  StringLike: present(like),
  ArnNotEquals: (wanted, value) => value === undefined || !wanted.some((arn) => like(arn, value)),
  NumericLessThan: present((wanted, value) => number(value) < number(wanted)),
  NumericGreaterThan: present((wanted, value) => number(value) > number(wanted)),
}

/** All operators and all keys must hold; of several values one. */
function holds(condition: unknown, { context, principal }: Call): boolean {
  const known: Readonly<Record<string, string>> = {
    ...context,
    ...(principal !== undefined && { 'aws:PrincipalArn': principal }),
  }
  return Object.entries(condition ?? {}).every(([name, keys]) => {
    const operator = OPERATORS[name]
    if (operator === undefined) throw new Error(`unknown operator ${name}`)
    return Object.entries(keys as object).every(([key, wanted]) => operator(list(wanted), known[key]))
  })
}

function bool(text: string | undefined): boolean {
  if (text !== 'true' && text !== 'false') throw new Error(`neither true nor false: ${text}`)
  return text === 'true'
}

function list(value: unknown): readonly string[] {
  const values = Array.isArray(value) ? value : [value]
  if (values.length === 0 || !values.every((each) => typeof each === 'string')) throw new Error('not text')
  return values
}

/** `*`: anything, slashes too; `?`: one character. */
function like(pattern: string, text: string): boolean {
  if (pattern.includes('${')) throw new Error('policy variables are not known here')
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
  return new RegExp(`^${source}$`, 's').test(text)
}

/** Renders what these templates use of Terraform's language, `${name}` and `${jsonencode(name)}`, and nothing else. Throws for a name that is not given or not used. */
export function renderTemplate(
  template: string,
  values: Readonly<Record<string, string | readonly string[]>>,
): unknown {
  const used = new Set<string>()
  const given = (name: string): string | readonly string[] => {
    const value = values[name]
    if (value === undefined) throw new Error(`${name} is not given`)
    used.add(name)
    return value
  }
  const text = template.replace(/\$\{([^}]*)\}/g, (_, inner: string) => {
    const encoded = /^jsonencode\((\w+)\)$/.exec(inner)?.[1]
    if (encoded !== undefined) return JSON.stringify(given(encoded))
    const value = /^\w+$/.test(inner) ? given(inner) : undefined
    if (typeof value !== 'string') throw new Error(`not a plain name: ${inner}`)
    return value
  })
  if (text.includes('%{')) throw new Error('directives are not known here')
  const unused = Object.keys(values).filter((name) => !used.has(name))
  if (unused.length > 0) throw new Error(`not used: ${unused.join(', ')}`)
  return JSON.parse(text)
}
