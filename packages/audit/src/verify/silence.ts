/** Seconds without a message after which a source gives a sign of life (CONTRACT, `source.heartbeat`). */
const HEARTBEAT_SECONDS = { service: 60, gateway: 15 * 60 } as const
/** Signs of life that may be missing before a source counts as silent: one may be late, one on its way. */
const HEARTBEATS_MISSED = 3

/** Seconds after its last message at which a source is silent if others went on. */
export function silentAfterSeconds(source: string): number {
  return HEARTBEATS_MISSED * HEARTBEAT_SECONDS[source.startsWith('gateway/') ? 'gateway' : 'service']
}
