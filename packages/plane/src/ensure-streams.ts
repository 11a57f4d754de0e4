import { isDeepStrictEqual } from 'node:util'
import {
  type ConsumerConfig,
  JetStreamApiError,
  type JetStreamManager,
  jetstreamManager,
  type StreamConfig,
} from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import {
  CONSUMERS,
  type ConsumerSettings,
  Fault,
  gatewayConsumer,
  gatewayConsumerName,
  type StreamName,
  streams,
} from '@writ/contracts'

export interface StreamsOptions {
  readonly region: string
  /** 1, 3 or 5. Replicated streams are all flushed: they refuse `persist_mode: async`. */
  readonly replicas?: number
  readonly bytesMax?: Readonly<Partial<Record<StreamName, number>>>
}

type Settings = Partial<StreamConfig> & { name: string }

/** Fixed when a stream is made. */
const FIXED = ['retention', 'allow_msg_ttl', 'deny_delete', 'deny_purge', 'persist_mode'] as const
const STREAM_NOT_FOUND = 10059
const CONSUMER_NOT_FOUND = 10014

/**
 * Makes the streams and consumers that are not there and adjusts those whose settings differ. Needs STORE's provisioning
 * credential. Throws Fault `unavailable` when a stream differs in what is fixed for good: then it is not the one promised,
 * and nothing is repaired by force.
 */
export async function ensureStreams(store: NatsConnection, options: StreamsOptions): Promise<void> {
  const jsm = await jetstreamManager(store)
  for (const settings of settingsOf(options)) await ensureStream(jsm, settings)
  for (const consumer of CONSUMERS) await ensureConsumer(jsm, consumer)
}

/** Part of enrolling a gateway, beside its credentials: nobody at run time may create a consumer. */
export async function ensureGatewayConsumer(store: NatsConnection, region: string, gatewayId: string): Promise<void> {
  await ensureConsumer(await jetstreamManager(store), gatewayConsumer(region, gatewayId))
}

/** Part of removing a gateway. What waits for it in PLANS goes with age. Answers whether there was one. */
export async function deleteGatewayConsumer(store: NatsConnection, gatewayId: string): Promise<boolean> {
  const jsm = await jetstreamManager(store)
  return jsm.consumers.delete('PLANS', gatewayConsumerName(gatewayId)).catch((error: unknown) => {
    if (error instanceof JetStreamApiError && error.code === CONSUMER_NOT_FOUND) return false
    throw error
  })
}

function settingsOf({ region, replicas = 1, bytesMax }: StreamsOptions): readonly Settings[] {
  return streams(region, bytesMax).map(({ subjects, persist_mode, ...stream }) => ({
    ...stream,
    subjects: [...subjects],
    num_replicas: replicas,
    ...(replicas === 1 && persist_mode !== undefined && { persist_mode }),
  }))
}

async function ensureStream(jsm: JetStreamManager, wanted: Settings): Promise<void> {
  const found = await jsm.streams.info(wanted.name).catch((error: unknown) => {
    if (error instanceof JetStreamApiError && error.code === STREAM_NOT_FOUND) return undefined
    throw error
  })
  if (found === undefined) {
    await jsm.streams.add(wanted)
    return
  }
  const fixed = FIXED.filter((name) => (found.config[name] || undefined) !== wanted[name])
  if (fixed.length > 0)
    throw new Fault('unavailable', {
      message: `The stream ${wanted.name} was made with another ${fixed.join(', ')}, which cannot be changed.`,
    })
  if (
    !Object.entries(wanted).every(([name, value]) => isDeepStrictEqual(found.config[name as keyof StreamConfig], value))
  )
    await jsm.streams.update(wanted.name, wanted)
}

/** Makes a consumer that is not there, and adjusts one whose settings differ, as a plane's of an earlier version do. */
async function ensureConsumer(jsm: JetStreamManager, { stream, ...wanted }: ConsumerSettings): Promise<void> {
  const config = wanted satisfies Partial<ConsumerConfig>
  const found = await jsm.consumers.info(stream, wanted.durable_name).catch((error: unknown) => {
    if (error instanceof JetStreamApiError && error.code === CONSUMER_NOT_FOUND) return undefined
    throw error
  })
  if (found === undefined) await jsm.consumers.add(stream, config)
  else if (!Object.entries(config).every(([name, value]) => found.config[name as keyof ConsumerConfig] === value))
    await jsm.consumers.update(stream, wanted.durable_name, config)
}
