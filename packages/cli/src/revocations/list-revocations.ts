import { readEnrolment, type Session } from '@writ/agent-sdk'
import { AuthorityReader, type ControlStep, createAuthority, type StandingRevoke } from '@writ/authority'

export interface Revocation {
  readonly seq: number
  readonly scope: string
  readonly id?: string
  readonly quarantine: boolean
  readonly signed_by: string
  /** RFC 3339. */
  readonly at: string
  readonly reason: string
}

/** What stands now, oldest first. */
export async function listRevocations({ reader, authority }: Session): Promise<readonly Revocation[]> {
  await reader.control()
  return authority.control.standing.map(revocationOf)
}

function revocationOf({ seq, iat, iss, revoke }: StandingRevoke): Revocation {
  const { scope, id, quarantine = false, reason } = revoke
  return {
    seq,
    scope,
    ...(scope !== 'all' && id !== undefined && { id }),
    quarantine,
    signed_by: iss,
    at: new Date(iat * 1000).toISOString(),
    reason,
  }
}

/** One message of CONTROL, as every reader takes it. */
export interface ControlLine {
  readonly seq: number
  /** `void`: a message that every reader skips. */
  readonly what: 'genesis' | 'revoke' | 'lift' | 'void'
  /** What it names: `agent line-2`, or the sequence it lifts. */
  readonly names: string
  readonly signed_by?: string
  readonly at?: string
  /** The operator's words, or why it is void. */
  readonly reason: string
}

/** Every message of CONTROL in its order, void ones too. `enrolment`: whose pins say what is valid. */
export async function controlHistory(session: Session, enrolment: string): Promise<readonly ControlLine[]> {
  const { region, trust } = await readEnrolment(enrolment)
  const lines: ControlLine[] = []
  const reader = new AuthorityReader(
    createAuthority(region, trust),
    (stream, where) => session.bus.read(stream, where),
    (step) => lines.push(lineOf(step)),
  )
  await reader.control()
  return lines
}

function lineOf(step: ControlStep): ControlLine {
  if (step.kind !== 'applied') {
    const reason = step.kind === 'void' ? `${step.reason.code}: ${step.reason.message}` : `${step.missing} is withheld`
    return { seq: step.seq, what: 'void', names: '', reason }
  }
  const { control, seq } = step
  return {
    seq,
    what: control.command,
    names: namesOf(control),
    signed_by: control.iss,
    at: new Date(control.iat * 1000).toISOString(),
    reason: control.reason,
  }
}

function namesOf(control: Extract<ControlStep, { kind: 'applied' }>['control']): string {
  if (control.command === 'genesis') return control.stream
  if (control.command === 'lift') return String(control.lifts)
  return control.scope === 'all' ? 'all' : `${control.scope} ${control.id}`
}
