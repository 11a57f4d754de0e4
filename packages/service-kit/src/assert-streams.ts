import { isDeepStrictEqual } from 'node:util'
import type { Bus } from '@writ/bus'
import { Fault, type StreamSettings, streams } from '@writ/contracts'

/** What a stream is held to. Sizes are the operator's, `max_bytes` only has to be there. */
const FIELDS = [
  'subjects',
  'storage',
  'retention',
  'discard',
  'discard_new_per_subject',
  'max_age',
  'max_msgs',
  'max_msgs_per_subject',
  'max_msg_size',
  'duplicate_window',
  'deny_delete',
  'deny_purge',
  'allow_direct',
  'allow_msg_ttl',
  'allow_rollup_hdrs',
  'republish',
  'no_ack',
  'sealed',
  'mirror',
  'sources',
  'subject_transform',
  'persist_mode',
] as const

/**
 * Throws Fault `malformed` when a stream is not what the promises rest on (a service refuses to start then, and repairs nothing), and
 * `unavailable` when the settings cannot be read now.
 */
export async function assertStreams(bus: Pick<Bus, 'streamInfo'>, region: string, replicasMin: number): Promise<void> {
  const found = await Promise.all(
    streams(region).map(async (wanted) => differences(wanted, (await bus.streamInfo(wanted.name)).config, replicasMin)),
  )
  const wrong = found.flat()
  if (wrong.length > 0) {
    throw new Fault('malformed', { message: `Streams are not as they must be: ${wrong.join('; ')}.` })
  }
}

export function differences(
  wanted: StreamSettings,
  config: Readonly<Record<string, unknown>>,
  replicasMin: number,
): readonly string[] {
  const promised: Readonly<Record<string, unknown>> = { ...wanted, storage: 'file' }
  const wrong = FIELDS.filter((field) => !fits(field, promised[field], config[field])).map(
    (field) => `${wanted.name} has another ${field}`,
  )
  if (!(Number(config['max_bytes']) > 0)) wrong.push(`${wanted.name} has no max_bytes`)
  if (!(Number(config['num_replicas'] ?? 1) >= replicasMin)) {
    wrong.push(`${wanted.name} has fewer than ${replicasMin} replicas`)
  }
  return wrong
}

function fits(field: (typeof FIELDS)[number], promised: unknown, found: unknown): boolean {
  // Replicated streams cannot be `async`, and to flush more than was promised is no harm.
  if (field === 'persist_mode') return plain(found) === undefined || found === 'default' || found === promised
  if (field === 'subjects') return isDeepStrictEqual(sorted(promised), sorted(found))
  return isDeepStrictEqual(plain(promised), plain(found))
}

/** The server leaves out, or writes as false, 0 or −1, what is not set. */
function plain(value: unknown): unknown {
  if (value === false || value === 0 || value === -1 || value === '') return undefined
  return Array.isArray(value) && value.length === 0 ? undefined : (value ?? undefined)
}

function sorted(value: unknown): unknown {
  return Array.isArray(value) ? value.map(String).sort() : value
}

/**
 * Throws Fault `malformed` unless every server flushes before it acknowledges (`sync_interval: always`), by its monitoring endpoint;
 * `unavailable` when one does not answer. `monitors`: base addresses, separated by commas.
 */
export async function assertFlushed(monitors: string, signal: AbortSignal): Promise<void> {
  for (const monitor of monitors.split(',')) {
    const config = await jetStreamConfig(monitor.trim(), signal)
    if (config?.['sync_always'] !== true) {
      throw new Fault('malformed', {
        message: 'A NATS server does not flush: it needs jetstream sync_interval always.',
      })
    }
  }
}

async function jetStreamConfig(monitor: string, signal: AbortSignal): Promise<Record<string, unknown> | undefined> {
  try {
    const url = new URL('jsz', monitor.endsWith('/') ? monitor : `${monitor}/`)
    const response = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(5000)]) })
    const { config } = Object(await response.json()) as { readonly config?: Record<string, unknown> }
    return config
  } catch (cause) {
    signal.throwIfAborted()
    throw new Fault('unavailable', { message: 'The monitoring endpoint of NATS does not answer.', cause })
  }
}
