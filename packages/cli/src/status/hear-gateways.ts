import type { Session } from '@writ/agent-sdk'
import { ANY } from '@writ/contracts'
import { readRecords } from '../identities/kinds.ts'
import { type Applied, readApplied } from '../operator/revoke.ts'

export interface GatewayStatus {
  readonly id: string
  /** `confirmed`: it has applied all of CONTROL; `behind`: not yet; `silent`: nothing was heard of it. */
  readonly state: 'confirmed' | 'behind' | 'silent'
  /** The control message it applied last. */
  readonly seq?: number
}

/** Gateways say what they have applied every 10 s. */
export const HEAR_WITHIN_MS = 11_000

/** Every registered gateway, as soon as all were heard, at most after `withinMs`. Reads the records. */
export async function hearGateways(session: Session, withinMs: number): Promise<readonly GatewayStatus[]> {
  await readRecords(session)
  const { bus, subjects, authority } = session
  const registered = authority.trust.ids('gateway').filter((id) => authority.trust.record('gateway', id) !== undefined)
  const heard = new Map<string, Applied>()
  let done: () => void = () => undefined
  const listening = await bus.subscribe(subjects.applied(ANY), ({ subject, data }) => {
    const applied = readApplied(session, subject, data)
    if (applied !== undefined) heard.set(applied.gateway, applied)
    if (registered.every((id) => heard.has(id))) done()
  })
  if (registered.length > 0 && withinMs > 0) {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, withinMs)
      done = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
  listening.unsubscribe()
  return registered.map((id) => gatewayStatus(id, heard.get(id), authority.control.seq))
}

function gatewayStatus(id: string, applied: Applied | undefined, head: number): GatewayStatus {
  if (applied === undefined) return { id, state: 'silent' }
  return { id, state: applied.seq >= head ? 'confirmed' : 'behind', seq: applied.seq }
}
