import type { Session } from '@writ/agent-sdk'
import { isFault, type RecordKind, type RecordOf } from '@writ/contracts'
import type { PolicyBundle } from '@writ/policy'
import { rulesOf } from '@writ/policy/review'
import { policyInForce } from '../policy/active-policy.ts'

/**
 * Names in a record that nothing else knows, a sentence each. It may be that their counterpart comes later, so this is no refusal: actions
 * for which the policy in force has no workflow, and an agent's groups without a device. Reads the records; what cannot be read is not looked at.
 */
export async function unknownNames(
  session: Session,
  kind: RecordKind,
  record: RecordOf<RecordKind>,
): Promise<readonly string[]> {
  if (kind !== 'agent' && kind !== 'device') return []
  const { actions } = record as RecordOf<'agent' | 'device'>
  const groups = kind === 'agent' ? (record as RecordOf<'agent'>).groups : []
  const bundle = await bundleInForce(session)
  const known = bundle === undefined ? undefined : actionsOf(bundle)
  const { trust } = session.authority
  const used = new Set(trust.ids('device').map((id) => trust.record('device', id)?.record.group))
  return [
    ...actions
      .filter((action) => known !== undefined && !known.has(action))
      .map((action) => `The policy in force knows no action ${action}: it denies it.`),
    ...groups.filter((group) => !used.has(group)).map((group) => `No device is in the group ${group}.`),
  ]
}

/** Undefined too where the policies are written in another way than the supplied library, so that nothing is known of their actions. */
function actionsOf(bundle: Pick<PolicyBundle, 'modules'>): ReadonlySet<string> | undefined {
  const prefix = 'writ.actions.'
  const names = rulesOf(bundle)
    .map((rule) => rule.package)
    .filter((name) => name.startsWith(prefix))
    .map((name) => name.slice(prefix.length))
  return names.length === 0 ? undefined : new Set(names)
}

/** The record is filed already: that nobody says what is in force is no reason to fail. */
async function bundleInForce(session: Session): Promise<PolicyBundle | undefined> {
  try {
    return (await policyInForce(session)).policy?.bundle
  } catch (error) {
    if (!isFault(error)) throw error
    return undefined
  }
}
