import type { LogReader } from '@writ/audit'
import { type Finding, fail, ok, warn } from './finding.ts'
import { checkpointOf } from './newest-checkpoint.ts'

/** Whether the newest checkpoint in the store is signed by the pinned key of the log. `writ audit verify` looks at everything. */
export async function checkLog(reader: LogReader, origin: string, vkeys: readonly string[]): Promise<Finding> {
  const found = await checkpointOf(reader, origin, vkeys)
  if (found === undefined)
    return warn(
      'log',
      `${reader.name} holds no checkpoint yet.`,
      'It is there a second after audit-sink has started: writ status.',
    )
  if ('problem' in found) return fail('log', `The checkpoint of ${origin}: ${found.problem}`, 'writ audit verify')
  return ok('log', `${found.size} entries of ${found.origin} are signed by the pinned key`)
}
