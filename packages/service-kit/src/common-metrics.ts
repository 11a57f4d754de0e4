import type { AuditSource } from '@writ/audit'
import type { Bus } from '@writ/bus'
import type { Tracing } from '@writ/tracing'
import { Counter, Gauge, type Registry } from 'prom-client'
import type { AuthorityFollower } from './authority-follower.ts'
import type { Health } from './health.ts'
import { readGauge } from './metrics.ts'
import type { SigningKey } from './signing-key.ts'

/** Whether the process may be sent work, and which of its checks say no. */
export function measureHealth(metrics: Registry, health: Health): void {
  readGauge(metrics, 'writ_ready', '1 while the service may be sent work.', () => Number(health.read().ready))
  new Gauge({
    name: 'writ_check_ok',
    help: '1 while a check of readiness is content.',
    labelNames: ['check'],
    registers: [metrics],
    collect() {
      this.reset()
      for (const [check, state] of Object.entries(health.read().checks)) this.set({ check }, Number(state === 'ok'))
    },
  })
}

export function measureBus(metrics: Registry, bus: Bus): void {
  readGauge(metrics, 'writ_bus_connected', '1 while there is a connection to the message bus.', () =>
    Number(bus.connected),
  )
}

/** What this instance knows of who may do what. Instances that know different things for long are a fault. */
export function measureAuthority(metrics: Registry, follower: AuthorityFollower, key: SigningKey): void {
  const { control, trust } = follower.authority
  const gauge = (name: string, help: string, read: () => number): void => readGauge(metrics, name, help, read)
  gauge('writ_control_seq', 'Sequence of the control message applied last.', () => control.seq)
  gauge('writ_control_standing_revokes', 'Revokes that are not lifted.', () => control.standing.length)
  gauge('writ_control_reliable', '1 while CONTROL is read to its end and nothing of it is withheld.', () =>
    Number(follower.problem === undefined),
  )
  gauge('writ_policy_version', 'Version of the record policy/active; 0: none.', () =>
    Number(trust.record('policy', 'active')?.version ?? 0),
  )
  gauge(
    'writ_signing_key_expiry_timestamp_seconds',
    'Until when the endorsement of the signing key is valid.',
    () => key.expires,
  )
}

/** What this process owes the log. */
export function measureAudit(metrics: Registry, audit: AuditSource): void {
  const gauge = (name: string, help: string, read: () => number): void => readGauge(metrics, name, help, read)
  gauge('writ_audit_waiting_events', 'Audit events that no message holds yet.', () => audit.stats.waiting)
  gauge('writ_audit_unsent_messages', 'Audit messages that the stream has not acknowledged.', () => audit.stats.unsent)
  gauge('writ_audit_uncovered_messages', 'Audit messages that no checkpoint covers yet.', () => audit.stats.uncovered)
  gauge('writ_audit_uncovered_bytes', 'Bytes of those messages.', () => audit.stats.uncoveredBytes)
}

/** Spans that left, or did not. */
export function measureTracing(metrics: Registry, tracing: Tracing): void {
  const said = { exported: 0, failed: 0, dropped: 0 }
  new Counter({
    name: 'writ_trace_spans_total',
    help: 'Spans of traces, by what became of them.',
    labelNames: ['result'],
    registers: [metrics],
    collect() {
      for (const result of ['exported', 'failed', 'dropped'] as const) {
        this.inc({ result }, tracing.counts[result] - said[result])
        said[result] = tracing.counts[result]
      }
    },
  })
}
