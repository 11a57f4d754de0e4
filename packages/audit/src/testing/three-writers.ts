import type { WormStore } from '@writ/worm-store'
import { Sealer } from '../log/sealer.ts'
import { clock, messages, NAME, noteSigner, ORIGIN, opener, type Published, Stream } from './log.ts'
import { type SealStep, steppedSigner, steppedStore, steppedStream } from './seal-steps.ts'
import { expectEachOnce, expectForward, expectNoFork, readStoredLog } from './stored-log.ts'

/** A writer that stands still before one step of its choice until it is told to go on, as a process does that was stopped. */
class Writer {
  readonly #sealer: Sealer
  readonly #streams: readonly Stream[]
  readonly #gate: Gate

  private constructor(sealer: Sealer, streams: readonly Stream[], gate: Gate) {
    this.#sealer = sealer
    this.#streams = streams
    this.#gate = gate
  }

  static async open(store: WormStore, streams: readonly Stream[], signed: string[]): Promise<Writer> {
    const gate = new Gate()
    const around = gate.around
    const sealer = await Sealer.open({
      store: steppedStore(store, around),
      name: NAME,
      signer: steppedSigner(noteSigner, around, (text) => void signed.push(text)),
      streams: streams.map((stream) => steppedStream(stream, around)),
      retention: { fullMs: 190 * 86_400_000, shortMs: 30 * 86_400_000 },
      now: clock.now,
      opening: opener(),
    })
    return new Writer(sealer, streams, gate)
  }

  /** Seals what waits and acknowledges it. Returns how much it brought in. */
  async seal(): Promise<number> {
    const outcome = await this.#sealer.seal()
    await this.#gate.around('acknowledge', async () => {
      for (const stream of this.#streams) stream.acknowledge(outcome)
    })
    return outcome.entries
  }

  /** Begins a seal and returns when it stands before the step, or has ended without coming to it. `goOn` lets it finish. */
  async sealUntil(step: SealStep): Promise<{ readonly goOn: () => Promise<void> }> {
    const reached = this.#gate.close(step)
    const sealing = this.seal()
    await Promise.race([reached, sealing])
    return {
      goOn: async () => {
        this.#gate.open()
        await sealing
      },
    }
  }
}

class Gate {
  #closed: { readonly step: SealStep; readonly reached: () => void; readonly opened: Promise<void> } | undefined
  #open = (): void => {}

  readonly around = async <T>(step: SealStep, body: () => Promise<T>): Promise<T> => {
    if (this.#closed?.step === step) {
      this.#closed.reached()
      await this.#closed.opened
    }
    return await body()
  }

  /** Resolves when somebody stands before it. */
  close(step: SealStep): Promise<void> {
    return new Promise((reached) => {
      const opened = new Promise<void>((resolve) => {
        this.#open = resolve
      })
      this.#closed = { step, reached, opened }
    })
  }

  open(): void {
    this.#closed = undefined
    this.#open()
  }
}

export interface Pauses {
  /** Where the first writer stands still, with a batch of few messages in hand. */
  readonly first: SealStep
  /** Where the second does, after the first: it finds what the first has left and knows more of the streams. */
  readonly second: SealStep
  /** AUDIT is lost and made anew while both stand still; its sources send again what no checkpoint that they know covers. */
  readonly rebuilt: boolean
  /** Which of the two goes on first, when the third has sealed everything. */
  readonly firstGoesOn: 'first' | 'second'
}

/**
 * Three writers on one store and one set of streams. Two stand still in the middle of a seal while the third seals all there is, then they go on.
 * Afterwards every note that any of them ever signed is about a beginning of the one log, and that has every message exactly once.
 */
export async function runThreeWriters(store: WormStore, pauses: Pauses): Promise<void> {
  const [audit, edge] = [new Stream('AUDIT'), new Stream('AUDIT_EDGE')]
  const all = await published()
  const publish = (some: readonly Published[]): void => {
    for (const one of some) (one.source.startsWith('gateway/') ? edge : audit).store(one)
  }
  const signed: string[] = []
  const open = (): Promise<Writer> => Writer.open(store, [audit, edge], signed)
  const [a, b, c] = [await open(), await open(), await open()]
  publish(all.slice(0, 10))
  await c.seal()
  publish(all.slice(10, 14))
  const first = await a.sealUntil(pauses.first)
  publish(all.slice(14, 30))
  if (pauses.rebuilt) {
    audit.recreate('2026-02-02')
    publish(all.slice(5, 30))
  }
  const second = await b.sealUntil(pauses.second)
  publish(all.slice(30))
  await untilIdle(c)
  if (pauses.rebuilt) {
    audit.recreate('2026-03-03')
    publish(all.slice(0, 270))
  }
  const [one, other] = pauses.firstGoesOn === 'first' ? [first, second] : [second, first]
  await one.goOn()
  await other.goOn()
  for (const writer of [a, b, c]) await untilIdle(writer)
  const verifier = noteSigner.verifier(ORIGIN)
  const log = await readStoredLog(store, ORIGIN, verifier)
  expectEachOnce(
    log,
    all.map(({ body }) => body),
  )
  expectNoFork(log, signed)
  await expectForward(store, ORIGIN, verifier)
}

let made: Promise<readonly Published[]> | undefined
/** 270 messages of a service, 20 of a gateway: more than a tile. Signed once for all runs. */
function published(): Promise<readonly Published[]> {
  made ??= Promise.all([messages('token-issuer/i1/b1', 0, 270), messages('gateway/g1/b1', 0, 20)]).then((lists) =>
    lists.flat(),
  )
  return made
}

async function untilIdle(writer: Writer): Promise<void> {
  while ((await writer.seal()) > 0);
}
