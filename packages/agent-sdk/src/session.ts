import { join } from 'node:path'
import { type Authority, AuthorityReader, createAuthority } from '@writ/authority'
import { type Bus, connectBus, type OnStatus } from '@writ/bus'
import { Fault, KEY_WAIT_MS, type PartyKind, type Subjects, subjects } from '@writ/contracts'
import { type EnrolmentPackage, readCredentials, readEnrolment, readKeyFile, type Signer, signerOf } from '@writ/keys'

/** How an enrolled identity connects. Paths may be relative to the working directory. */
export interface SessionOptions {
  /** Folder of the enrolment package, or its `enrolment.json`. */
  readonly enrolment: string
  /** The signing key, a JWK file (RFC 7517) of mode 0600; `key.jwk` in the package's folder when absent. */
  readonly keyFile?: string
  /** Hears of the connection's life; never of secrets. */
  readonly onStatus?: OnStatus
  /** How long the first connection is tried, milliseconds; 10,000 when absent. */
  readonly connectWithinMs?: number
  /** Gives the first connection up earlier. */
  readonly signal?: AbortSignal
}

/** An enrolled identity that is connected: its key, its connection, and who it may believe. */
export interface Session extends AsyncDisposable {
  /** `agent`, `approver`, `operator` or `gateway`, as the enrolment package says. */
  readonly kind: string
  /** Its id: `iss` of what it signs. */
  readonly id: string
  /** The one region of this control plane, the `<r>` of subjects and of the audience `writ:<r>`. */
  readonly region: string
  /** Signs with this identity's key. */
  readonly signer: Signer
  /** The connection, with this identity's permissions alone. */
  readonly bus: Bus
  /** Makes the subjects of this region. */
  readonly subjects: Subjects
  /** Pins, and what has been read and verified of SIGNERS and CONTROL up to now. */
  readonly authority: Authority
  /** Reads more of SIGNERS, and of CONTROL and REGISTRY where the identity may. */
  readonly reader: AuthorityReader
  /** Runs a check; when it lacks a key, reads SIGNERS and tries again for up to 5 s (CONTRACT "Plan"). */
  withKeys<T>(check: () => T): Promise<T>
}

const CONNECT_WITHIN_MS = 10_000

/**
 * Connects an enrolled agent, approver, operator or gateway. Throws Fault `unavailable` when the bus is not reached in time, with the last attempt's
 * error as its cause, or a file of the package cannot be read; the reason of `signal` when that aborts first.
 */
export async function openSession(options: SessionOptions): Promise<Session> {
  const enrolment = await readEnrolment(options.enrolment)
  const signer = signerOf(await readKeyFile(options.keyFile ?? join(enrolment.folder, 'key.jwk')))
  const bus = await reachBus(enrolment, await readCredentials(enrolment), options)
  const { kind, id, region } = enrolment
  const authority = createAuthority(region, enrolment.trust)
  const reader = new AuthorityReader(authority, (stream, where) => bus.read(stream, where))
  return {
    kind,
    id,
    region,
    signer,
    bus,
    subjects: subjects(region),
    authority,
    reader,
    withKeys: (check) => withKeys(reader, check),
    [Symbol.asyncDispose]: () => bus[Symbol.asyncDispose](),
  }
}

async function reachBus(
  { nats_url, region, kind, id }: EnrolmentPackage,
  credentials: string,
  { signal, onStatus, connectWithinMs = CONNECT_WITHIN_MS }: SessionOptions,
): Promise<Bus> {
  const within = AbortSignal.timeout(connectWithinMs)
  let last: unknown
  try {
    return await connectBus({
      servers: nats_url.split(','),
      credentials,
      region,
      kind: kind as PartyKind,
      id,
      waitOnFirstConnect: true,
      signal: signal === undefined ? within : AbortSignal.any([within, signal]),
      onStatus: (status) => {
        if (status.type === 'error') last = status.error
        onStatus?.(status)
      },
    })
  } catch (error) {
    if (signal?.aborted === true) throw signal.reason
    if (!within.aborted) throw error
    throw notReached(nats_url, connectWithinMs, last ?? error)
  }
}

function notReached(url: string, withinMs: number, cause: unknown): Fault {
  return new Fault('unavailable', { message: `NATS at ${url} was not reached within ${withinMs} ms.`, cause })
}

async function withKeys<T>(reader: AuthorityReader, check: () => T): Promise<T> {
  const deadline = performance.now() + KEY_WAIT_MS
  for (;;) {
    try {
      return check()
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== 'unknown_key' || performance.now() > deadline) throw error
    }
    await reader.signers()
  }
}
