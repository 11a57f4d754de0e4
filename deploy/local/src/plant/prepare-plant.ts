import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ensureRecord, publishBundle } from '@writ/cli'
import { PLANT } from '@writ/pilot-plant'
import { openBundle } from '@writ/policy'
import type { Stack } from '../stack/stack.ts'
import { ensureEnrolled, REASON } from './ensure-enrolled.ts'
import { AGENTS, APPROVERS } from './people.ts'

/**
 * Gives the plane its policy, enrols the pilot plant and the people of the story, and starts the gateways. What is there already
 * is left as it is.
 */
export async function preparePlant(stack: Stack, root: string, log: (line: string) => void): Promise<void> {
  const { operator, plane } = stack
  const bundle = await readFile(join(root, 'policies', 'bundle', 'bundle.tar.gz'))
  const { revision } = openBundle(bundle)
  await publishBundle(operator, bundle, revision, 'The supplied policies.')
  log('Enrolling the pilot plant …')
  for (const { id } of PLANT.gateways) {
    await ensureEnrolled(stack, 'gateway', id, (keys) => ({ keys, jurisdiction: plane.region }))
  }
  for (const { id, gateway, group, actions } of PLANT.devices) {
    const record = { gateway_id: gateway, group, jurisdiction: plane.region, actions: [...actions] }
    await ensureRecord(operator, { kind: 'device', id, record, reason: REASON })
  }
  for (const { id, users, actions, groups } of AGENTS) {
    const ceiling = { users: [...users], actions: [...actions], groups: [...groups] }
    await ensureEnrolled(stack, 'agent', id, (keys) => ({ keys, ...ceiling }))
  }
  for (const { id, user, roles } of APPROVERS) {
    await ensureEnrolled(stack, 'approver', id, (keys) => ({ keys, user, roles: [...roles] }))
  }
  await stack.untilReady()
  await Promise.all(PLANT.gateways.map(({ id }) => stack.startGateway(id)))
}
