import { type LogVerification, parseVkey, verifyLog } from '@writ/audit'
import type { Stack } from '../stack/stack.ts'
import type { Told } from './step.ts'

/** Verifies the store as it lies there, with the log's key and the pins alone. */
export async function evidenceReport({ store, plane }: Stack): Promise<LogVerification> {
  const { operators, anchors } = plane.trust
  return verifyLog({
    reader: await store.openReader(),
    vkeys: [parseVkey(plane.logVkey)],
    pins: { operators, anchors },
    region: plane.region,
  })
}

export async function verifyEvidence(stack: Stack): Promise<Told> {
  const report = await evidenceReport(stack)
  const { ok, origin, size, messages, events, sources, effects, sealed, findings } = report
  return {
    lines: [
      ['log', `${origin}: ${size} leaves, root ${report.root}`],
      [
        'checked',
        `${messages} signed messages with ${events} events of ${sources} sources; ${effects} effects with their chains`,
      ],
      [
        'sealed',
        `${sealed} documents hold names or parameters and are encrypted: their digests are in the log, their keys are not`,
      ],
      [
        'verdict',
        ok
          ? 'ok: nothing is missing, altered or out of place'
          : findings.map(({ verdict, message }) => `${verdict}: ${message}`).join('; '),
      ],
    ],
    ...(!ok && { instead: 'the evidence should verify' }),
  }
}
