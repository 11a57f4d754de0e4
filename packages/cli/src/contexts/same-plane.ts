import { type Enrolment, Fault } from '@writ/contracts'
import { canonicalJson } from '@writ/keys'
import { withAdvice } from '../advice.ts'
import { type LocalFile, logVkeysOf } from '../local-file.ts'

/** What tells one plane from another: whom it trusts. Addresses do not, since a plane has many. */
export interface PlanePins {
  readonly region: string
  readonly operators: object
  readonly anchors: object
  readonly log_vkeys: readonly string[]
}

export function pinsOfPackage({ region, trust: { operators, anchors, log_vkeys } }: Enrolment): PlanePins {
  return { region, operators, anchors, log_vkeys }
}

export function pinsOfLocal(local: LocalFile): PlanePins {
  return { region: local.region, ...local.trust, log_vkeys: logVkeysOf(local) }
}

/** In which pins two differ; none: they are of one plane. Of the keys of a log that was given another, one in common is enough. */
function otherPins(a: PlanePins, b: PlanePins): readonly string[] {
  const parts = (['region', 'operators', 'anchors'] as const).filter((part) => json(a[part]) !== json(b[part]))
  const sameLog =
    a.log_vkeys.some((vkey) => b.log_vkeys.includes(vkey)) || a.log_vkeys.length + b.log_vkeys.length === 0
  return [...parts, ...(sameLog ? [] : ['log_vkeys'])]
}

const json = (value: unknown): string => canonicalJson(value as never)

/**
 * What is read of one plane and signed or withdrawn in another is true of neither. Throws Fault `malformed` when two differ in what they pin.
 *
 * @param what two of what, as a sentence begins: “The enrolment in A and the plane in B”
 */
export function assertSamePlane(what: string, a: PlanePins, b: PlanePins): void {
  const parts = otherPins(a, b)
  if (parts.length === 0) return
  throw withAdvice(
    new Fault('malformed', { message: `${what}: one is of another plane, with other ${parts.join(', ')}.` }),
    'Give each plane a context of its own (writ context add NAME --enrolment DIR), and choose with --context NAME or --home DIR. If there is one plane only, find out by another way than the bus which of the two is genuine.',
  )
}
