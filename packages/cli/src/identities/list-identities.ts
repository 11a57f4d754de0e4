import type { Session } from '@writ/agent-sdk'
import { parseFiledValue } from '@writ/authority'
import type { RecordOf } from '@writ/contracts'
import { type Identified, kidsOf, readRecords } from './kinds.ts'
import { type Standing, standingAgainst, standingOf } from './standing-revokes.ts'

export interface ListedIdentity<K extends Identified = Identified> {
  readonly kind: K
  readonly id: string
  readonly version: number
  readonly state: Standing
  /** In force; null: removed. */
  readonly record: RecordOf<K> | null
  /** Key ids. */
  readonly keys: readonly string[]
  /** Sequences of the revokes that stand against it. */
  readonly revokes: readonly number[]
}

/** What is registered of a kind, from the operator-signed records themselves, by id. `removed`: those too that were removed. */
export async function listIdentities<K extends Identified>(
  session: Session,
  kind: K,
  removed: boolean,
): Promise<readonly ListedIdentity<K>[]> {
  await readRecords(session)
  return session.authority.trust
    .ids(kind)
    .flatMap((id) => listed(session, kind, id) ?? [])
    .filter(({ record }) => removed || record !== null)
}

/** Undefined: nothing valid was ever filed under this id. */
export function listed<K extends Identified>(
  { authority }: Session,
  kind: K,
  id: string,
): ListedIdentity<K> | undefined {
  const value = authority.trust.valueOf(kind, id)
  if (value === undefined) return undefined
  const { claims } = parseFiledValue(value).command
  const record = claims.record as RecordOf<K> | null
  const revokes = standingAgainst(authority, kind, id, record)
  return {
    kind,
    id,
    version: claims.version,
    state: standingOf(record, revokes),
    record,
    keys: kidsOf(record),
    revokes: revokes.map(({ seq }) => seq),
  }
}
