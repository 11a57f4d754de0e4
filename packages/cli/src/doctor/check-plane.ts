import type { Session } from '@writ/agent-sdk'
import {
  ANY,
  isFault,
  keyMessage,
  type PublicJwk,
  type RecordKind,
  type ServiceRole,
  type Trust,
} from '@writ/contracts'
import { canonicalJson, openMessage, thumbprint } from '@writ/keys'
import { askBroker } from '../operator/ask-broker.ts'
import type { Package } from './check-package.ts'
import { type Finding, fail, ok, warn } from './finding.ts'

/** Whether the enrolment's pins are those of the plane whose folder is at hand. */
export function comparePins(enrolled: Trust, plane: Trust): Finding {
  const wrong = (['operators', 'anchors', 'log_vkeys', 'two_person'] as const).filter(
    (part) => canonicalJson(enrolled[part] as never) !== canonicalJson(plane[part] as never),
  )
  if (wrong.length === 0) return ok('pins', 'as in the plane’s folder')
  return fail(
    'pins',
    `The enrolment pins other ${wrong.join(', ')} than the plane’s folder has.`,
    'Find out which of the two is genuine, by another way than the bus; then give out the package again.',
  )
}

/** Whether what is filed holds under the pins of the enrolment: of another plane, or after a change of anchors, nothing does. */
export async function checkPins(session: Session): Promise<Finding> {
  const { bus, subjects, authority } = session
  await readSigners(session)
  const nowSeconds = Math.floor(Date.now() / 1000)
  const seen = new Map<ServiceRole, boolean>()
  for await (const { data } of bus.read('SIGNERS', { fromSeq: 1, filter: subjects.registry('key', ANY) })) {
    const claims = endorsementOf(data)
    if (claims === undefined || claims.exp <= nowSeconds) continue
    const holds = authority.trust.endorsementsOf(claims.kid).length > 0
    seen.set(claims.role, (seen.get(claims.role) ?? false) || holds)
  }
  const strange = [...seen].filter(([, holds]) => !holds).map(([role]) => role)
  const kinds: readonly RecordKind[] = ['operator', 'gateway', 'policy']
  const left = kinds.flatMap((kind) =>
    authority.trust.ids(kind).filter((id) => authority.trust.valueOf(kind, id) === undefined),
  )
  if (strange.length > 0)
    return fail(
      'pins',
      `No key of ${strange.join(', ')} is endorsed by the anchor that is pinned for it.`,
      'The package is of another plane, or the anchors changed: get it again.',
    )
  if (left.length > 0)
    return warn(
      'pins',
      `${left.length} records do not hold under the pinned operators.`,
      'If they should: compare the pins with the plane’s.',
    )
  return ok('pins', `keys of ${seen.size} services hold under them`)
}

function endorsementOf(data: Uint8Array) {
  try {
    return openMessage(keyMessage, data).claims
  } catch (error) {
    if (isFault(error)) return undefined
    throw error
  }
}

/** With key revokes, for those who may read CONTROL. */
async function readSigners({ kind, reader }: Session): Promise<void> {
  await (readsControl(kind) ? reader.control() : reader.signers())
}

const readsControl = (kind: string): boolean => kind === 'operator' || kind === 'gateway'

/** Whether the key of the package is one that the plane takes now. */
export async function checkKeyInForce(session: Session, kid: string): Promise<Finding> {
  const { kind, id, authority } = session
  await readSigners(session)
  if (kind === 'operator') {
    if (authority.control.keyWasRevoked(kid))
      return fail('key in force', 'The key was revoked for good.', 'A root operator enrols you with a new key.')
    return graded(kind, id, authority.trust.operatorKey(id, kid) !== undefined)
  }
  if (kind === 'gateway') return graded(kind, id, holds(authority.trust.record(kind, id)?.record.keys, kid))
  return byAsking(session)
}

const holds = (keys: readonly PublicJwk[] = [], kid: string): boolean => keys.some((key) => thumbprint(key) === kid)

function graded(kind: string, id: string, inForce: boolean): Finding {
  if (inForce) return ok('key in force', `registered for ${kind} ${id}`)
  return fail(
    'key in force',
    `It is no key of ${kind} ${id}.`,
    `An operator registers it: writ ${kind} rotate-key ${id} --key FILE (its public JWK).`,
  )
}

/** Agents and approvers may not read their records; the broker answers whom it knows. */
async function byAsking(session: Session): Promise<Finding> {
  const { kind, id } = session
  try {
    await askBroker(session, kind === 'agent' ? 'intents' : 'pending', { limit: 1 })
    return ok('key in force', `the broker knows ${kind} ${id} by it`)
  } catch (error) {
    if (!isFault(error)) throw error
    if (error.code === 'unavailable')
      return warn(
        'key in force',
        `The broker could not be asked: ${error.message}`,
        '`writ status` says what does not answer.',
      )
    return fail('key in force', `The broker refuses it: ${error.code}.`, `An operator looks: writ ${kind} show ${id}`)
  }
}

/** Whether CONTROL holds at least what the package demands: less means a stream from a backup, or another one. */
export async function checkControl(
  { kind, authority, reader }: Session,
  { control: least }: Package,
): Promise<Finding> {
  if (!readsControl(kind)) return ok('control', `${kind}s need not read it`)
  try {
    await reader.control()
    if (authority.control.stream === undefined)
      return fail(
        'control',
        'CONTROL has no genesis: nothing is issued.',
        'The root operator begins it; `npm start` does for a local plane.',
      )
    authority.control.assertHolds(undefined, least, () => undefined)
  } catch (error) {
    if (!isFault(error)) throw error
    return fail(
      'control',
      error.message,
      'Do not go on: authority that was withdrawn may be back. Restore CONTROL, or begin a new one that follows it.',
    )
  }
  const { seq, stream } = authority.control
  const demanded =
    least === undefined
      ? 'the package demands nothing of it'
      : `at least message ${least.seq} is there, as the package demands`
  return ok('control', `message ${seq} of ${stream}; ${demanded}`)
}
