// Makes grafana-dashboard.json from the rows below. `--check`: exits 1 when the file is not what they make.
import { readFile, writeFile } from 'node:fs/promises'

const FILE = new URL('grafana-dashboard.json', import.meta.url)
const RATE = '$__rate_interval'
const DATASOURCE = { type: 'prometheus', uid: `\${datasource}` }
const WIDTH = 24
const HEIGHT = { stat: 4, timeseries: 8 }

/** @typedef {{ title: string, help: string, unit: string, queries: readonly [string, string][], kind?: 'stat' | 'timeseries', alarm?: number, signed?: boolean }} Panel */

const rate = (selector, by) => `sum by (${by}) (rate(${selector}[${RATE}]))`
const quantile = (q, histogram, by = '') =>
  `histogram_quantile(${q}, sum by (le${by === '' ? '' : `, ${by}`}) (rate(${histogram}[${RATE}])))`
const quantiles = (histogram) => [0.5, 0.95, 0.99].map((q) => [quantile(q, histogram), `p${q * 100}`])
const bucket = (name, labels = '') => `${name}_bucket${labels === '' ? '' : `{${labels}}`}`
const stat = (title, help, unit, query, alarm) => ({
  title,
  help,
  unit,
  queries: [[query, title]],
  kind: 'stat',
  ...(alarm !== undefined && { alarm }),
})
const chart = (title, help, unit, ...queries) => ({ title, help, unit, queries })

/** @type {Readonly<Record<string, readonly Panel[]>>} */
const ROWS = {
  Now: [
    stat('Services ready', 'Instances that may be sent work.', 'short', 'sum(writ_ready)'),
    stat('Services not ready', 'Their /readyz says why.', 'short', 'count(writ_ready) - sum(writ_ready)', 1),
    stat('Intents a second', 'Taken in.', 'reqps', `sum(rate(writ_intents_accepted_total[${RATE}]))`),
    stat('Intents open', 'Not settled yet.', 'short', 'sum(max by (state) (writ_intents_open))'),
    stat(
      'Outcomes unknown',
      'A person must look at the device.',
      'short',
      'max(writ_intents_open{state="unknown"})',
      1,
    ),
    stat('Oldest tick', 'The freshest issuer; above 3 s nothing begins.', 's', 'min(writ_tick_age_seconds)', 3),
    stat('Oldest unsealed', 'Evidence that waits for the log.', 's', 'max(writ_audit_unsealed_age_seconds)', 30),
    stat('Revokes standing', 'Not lifted.', 'short', 'max(writ_control_standing_revokes)'),
  ],
  Traffic: [
    chart(
      'Intents',
      'Taken in, and how they ended.',
      'reqps',
      [`sum(rate(writ_intents_accepted_total[${RATE}]))`, 'taken in'],
      [rate('writ_intents_finished_total', 'state'), '{{state}}'],
    ),
    chart('Open intents', 'By state. Waiting for people is normal; executing for long is not.', 'short', [
      'max by (state) (writ_intents_open)',
      '{{state}}',
    ]),
    chart('Decisions', 'Of policy-evaluator, by outcome.', 'reqps', [
      rate('writ_decisions_total', 'outcome'),
      '{{outcome}}',
    ]),
    chart('Outcomes', 'What gateways say, by state. late: another outcome counts.', 'reqps', [
      rate('writ_outcomes_total', 'state'),
      '{{state}}',
    ]),
    chart('Waiting in streams', 'Messages that nobody has taken yet.', 'short', [
      'max by (stream) (writ_stream_messages{stream=~"INTENTS|OUTCOMES|PLANS"})',
      '{{stream}}',
    ]),
    chart('In hand', 'Pieces of work, by operation.', 'short', [
      'sum by (role, operation) (writ_operations_in_flight)',
      '{{role}} {{operation}}',
    ]),
  ],
  Refusals: [
    chart('Refused by intent-gateway', 'Messages of agents, gateways, people, by code.', 'reqps', [
      `${rate('writ_refusals_total', 'code')} > 0`,
      '{{code}}',
    ]),
    chart('Signed by nobody known', 'Garbage and forgeries, by who was sent them.', 'reqps', [
      `${rate('writ_messages_refused_total', 'role, code')} > 0`,
      '{{role}} {{code}}',
    ]),
    chart('Intents that did not succeed', 'By final state and first reason.', 'reqps', [
      `${rate('writ_intents_finished_total{state!="succeeded"}', 'state, code')} > 0`,
      '{{state}} {{code}}',
    ]),
    chart(
      'Tokens not minted',
      'Answers of token-issuer other than ok. again: the two deciders did not agree yet.',
      'reqps',
      [`${rate('writ_issues_total{code!="ok"}', 'code')} > 0`, '{{code}}'],
    ),
    chart('Redeems refused', 'Answers to gateways other than ok.', 'reqps', [
      `${rate('writ_redeems_total{code!="ok"}', 'code')} > 0`,
      '{{code}}',
    ]),
    chart('Work that failed', 'unavailable is tried again; internal is a bug.', 'reqps', [
      `${rate('writ_operation_failures_total', 'role, operation, code')} > 0`,
      '{{role}} {{operation}} {{code}}',
    ]),
  ],
  Latency: [
    chart(
      'Intent, whole',
      'From taking in to success, waits for people too.',
      's',
      ...quantiles(bucket('writ_intent_duration_seconds', 'state="succeeded"')),
    ),
    chart(
      'Stages, p95',
      'decide, wait, issue, dispatch (with the durable record), begin (redeem at the gateway), run.',
      's',
      [quantile(0.95, bucket('writ_intent_stage_duration_seconds'), 'stage'), '{{stage}}'],
    ),
    chart(
      'Redeem',
      'At token-issuer, from request to answer.',
      's',
      ...quantiles(bucket('writ_operation_duration_seconds', 'operation="redeem"')),
    ),
    chart(
      'Decide',
      'At policy-evaluator, from request to answer.',
      's',
      ...quantiles(bucket('writ_operation_duration_seconds', 'operation="decide"')),
    ),
    chart('Operations, p95', 'By role.', 's', [
      quantile(0.95, bucket('writ_operation_duration_seconds'), 'role, operation'),
      '{{role}} {{operation}}',
    ]),
    chart('Event loop lag, p99', 'How long a process is busy with itself.', 's', [
      'max by (role) (nodejs_eventloop_lag_p99_seconds)',
      '{{role}}',
    ]),
  ],
  Authority: [
    chart('Age of ticks', 'Each issuer acts only below 3 s.', 's', ['writ_tick_age_seconds', '{{instance}}']),
    chart(
      'Ticks',
      'How long they take, and how many fail.',
      'short',
      [quantile(0.99, bucket('writ_tick_duration_seconds')), 'p99 seconds'],
      [`sum(rate(writ_tick_failures_total[${RATE}]))`, 'failures a second'],
    ),
    chart('CONTROL applied', 'Sequence, by instance: one line, but for an instant.', 'none', [
      'writ_control_seq',
      '{{role}} {{instance}}',
    ]),
    chart('CONTROL reliable', '0: unreadable, withheld or another stream.', 'short', [
      'min by (role) (writ_control_reliable)',
      '{{role}}',
    ]),
    chart('Revokes standing', 'As each role knows them.', 'short', [
      'max by (role) (writ_control_standing_revokes)',
      '{{role}}',
    ]),
    chart('Policy version', 'Of policy/active, as each role knows it.', 'none', [
      'max by (role) (writ_policy_version)',
      '{{role}}',
    ]),
    chart('Endorsement left', 'Renewed at 12 h.', 's', [
      'min by (role) (writ_signing_key_expiry_timestamp_seconds) - time()',
      '{{role}}',
    ]),
    chart(
      'Token index',
      'Redis answers, and holds every token.',
      'short',
      ['min(writ_redis_up)', 'Redis'],
      ['min(writ_token_index_complete)', 'complete'],
    ),
  ],
  Evidence: [
    chart(
      'Waiting for a seal',
      'The oldest message, and since the log was last complete.',
      's',
      ['max(writ_audit_unsealed_age_seconds)', 'oldest message'],
      ['time() - max(writ_seal_last_success_timestamp_seconds)', 'last seal'],
    ),
    chart('Seals', 'How long they take.', 's', ...quantiles(bucket('writ_seal_duration_seconds'))),
    chart('Seals that failed', 'They are tried again.', 'reqps', [
      `sum(rate(writ_seal_failures_total[${RATE}]))`,
      'failed',
    ]),
    chart('The log', 'Entries of the current epoch.', 'none', ['max(writ_log_entries)', 'entries']),
    chart('Entries a second', 'Brought into the log.', 'reqps', [
      `sum(rate(writ_log_sealed_entries_total[${RATE}]))`,
      'entries',
    ]),
    chart(
      'Not sealed',
      'Messages in the streams of evidence.',
      'short',
      ['max by (stream) (writ_stream_messages{stream=~"AUDIT|AUDIT_EDGE"})', '{{stream}}'],
      ['sum(writ_audit_deliveries_waiting)', 'in hand of audit-sink'],
    ),
    chart(
      'Owed by sources',
      'Events in no message, messages not acknowledged, messages in no checkpoint.',
      'short',
      ['sum by (role) (writ_audit_waiting_events)', '{{role}} waiting'],
      ['sum by (role) (writ_audit_unsent_messages)', '{{role}} unsent'],
      ['sum by (role) (writ_audit_uncovered_messages)', '{{role}} uncovered'],
    ),
    chart('Outboxes', 'On disk until a checkpoint covers them.', 'bytes', [
      'sum by (role) (writ_audit_uncovered_bytes)',
      '{{role}}',
    ]),
  ],
  Machines: [
    chart('Checks of readiness', 'By role; 0 says no.', 'short', [
      'min by (role, check) (writ_check_ok)',
      '{{role}} {{check}}',
    ]),
    chart('Bus', 'Connected.', 'short', ['min by (role) (writ_bus_connected)', '{{role}}']),
    {
      ...chart(
        'Clock offset',
        'Here less the bus, and by how much that may be wrong.',
        's',
        ['max by (role) (writ_clock_offset_seconds)', '{{role}}'],
        ['max by (role) (writ_clock_offset_error_seconds)', '{{role}} ±'],
      ),
      signed: true,
    },
    chart('Streams', 'How full.', 'percentunit', [
      'max by (stream) (writ_stream_size_bytes / writ_stream_limit_bytes)',
      '{{stream}}',
    ]),
    chart('CPU', 'Cores.', 'short', [`sum by (role) (rate(process_cpu_seconds_total[${RATE}]))`, '{{role}}']),
    chart(
      'Memory',
      'Resident, and the heap in use.',
      'bytes',
      ['sum by (role) (process_resident_memory_bytes)', '{{role}}'],
      ['sum by (role) (nodejs_heap_size_used_bytes)', '{{role}} heap'],
    ),
    chart('File descriptors', 'Open, of those that may be.', 'percentunit', [
      'max by (role) (process_open_fds / process_max_fds)',
      '{{role}}',
    ]),
    chart('Spans', 'Of traces, by what became of them.', 'reqps', [
      rate('writ_trace_spans_total', 'role, result'),
      '{{role}} {{result}}',
    ]),
  ],
}

/** Rows one below the other, panels from left to right. */
function layOut(rows) {
  let y = 0
  let id = 0
  const panels = []
  for (const [title, row] of Object.entries(rows)) {
    panels.push({
      id: ++id,
      type: 'row',
      title,
      collapsed: false,
      panels: [],
      gridPos: { x: 0, y: y++, w: WIDTH, h: 1 },
    })
    let x = 0
    for (const panel of row) {
      const w = panel.kind === 'stat' ? WIDTH / row.length : 8
      const h = HEIGHT[panel.kind ?? 'timeseries']
      if (x + w > WIDTH) {
        x = 0
        y += h
      }
      panels.push(panelOf(panel, ++id, { x, y, w, h }))
      x += w
    }
    y += HEIGHT[row[0].kind ?? 'timeseries']
  }
  return panels
}

function panelOf({ title, help, unit, queries, kind = 'timeseries', alarm, signed }, id, gridPos) {
  const steps = [{ color: 'green', value: null }, ...(alarm === undefined ? [] : [{ color: 'red', value: alarm }])]
  return {
    id,
    type: kind,
    title,
    description: help,
    datasource: DATASOURCE,
    gridPos,
    fieldConfig: {
      defaults: { unit, ...(signed !== true && { min: 0 }), thresholds: { mode: 'absolute', steps } },
      overrides: [],
    },
    options:
      kind === 'stat'
        ? { colorMode: alarm === undefined ? 'none' : 'value', reduceOptions: { calcs: ['lastNotNull'] } }
        : { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi', sort: 'desc' } },
    targets: queries.map(([expr, legendFormat], index) => ({
      refId: String.fromCharCode(65 + index),
      datasource: DATASOURCE,
      expr,
      legendFormat,
    })),
  }
}

const dashboard = {
  uid: 'writ',
  title: 'Writ',
  description: 'One control plane: what is asked, refused, done, withdrawn and recorded.',
  tags: ['writ'],
  timezone: 'utc',
  schemaVersion: 39,
  version: 1,
  refresh: '30s',
  time: { from: 'now-1h', to: 'now' },
  templating: { list: [{ name: 'datasource', type: 'datasource', query: 'prometheus', label: 'Prometheus' }] },
  panels: layOut(ROWS),
}

const text = `${JSON.stringify(dashboard, null, 1)}\n`
if (!process.argv.includes('--check')) await writeFile(FILE, text)
else if ((await readFile(FILE, 'utf8')) !== text) {
  process.stderr.write('grafana-dashboard.json is not what build.mjs makes: run node deploy/observability/build.mjs\n')
  process.exitCode = 1
}
