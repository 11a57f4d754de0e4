import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { FiledRecord, TrustStore } from '@writ/authority'
import { coalesce } from '@writ/bus'
import { writeFileDurably } from '@writ/durable'
import { z } from 'zod'

const Recorded = z.array(z.string())

export interface GatewayRecorderOptions {
  readonly trust: Pick<TrustStore, 'ids' | 'record'>
  /** Reads SIGNERS to its end. Throws Fault `unavailable`. */
  readonly readSigners: () => Promise<void>
  readonly stateDir: string
  /** Resolves when the record is durable in the log's stream. Throws Fault `unavailable`. */
  readonly record: (gateway: FiledRecord<'gateway'>) => Promise<void>
}

/**
 * Records each gateway's record in force once for this state directory, whoever filed it. A gateway signs audit messages as soon as its record is
 * filed; whoever died between filing and recording it would leave them without an endorsement in the log until the gateway's first plan.
 * What the directory remembers is for not repeating it at every boot: where that cannot be read, it is recorded again, which harms nobody.
 */
export class GatewayRecorder {
  /** Records what is not recorded yet, one after another. Throws Fault `unavailable`: it goes on from there at the next call. */
  readonly catchUp: () => Promise<void>
  readonly #options: GatewayRecorderOptions
  #recorded: ReadonlySet<string>

  private constructor(options: GatewayRecorderOptions, recorded: ReadonlySet<string>) {
    this.#options = options
    this.#recorded = recorded
    this.catchUp = coalesce(() => this.#catchUp())
  }

  static async open(options: GatewayRecorderOptions): Promise<GatewayRecorder> {
    const text = await readFile(pathIn(options.stateDir), 'utf8').catch(() => '[]')
    return new GatewayRecorder(options, new Set(parsed(text)))
  }

  async #catchUp(): Promise<void> {
    const { trust, readSigners, record } = this.#options
    await readSigners()
    const inForce = trust.ids('gateway').flatMap((id) => trust.record('gateway', id) ?? [])
    const known = this.#recorded
    const done = new Set(inForce.map(({ digest }) => digest).filter((digest) => known.has(digest)))
    try {
      for (const gateway of inForce) {
        if (!done.has(gateway.digest)) await record(gateway)
        done.add(gateway.digest)
      }
    } finally {
      if ([...done].some((digest) => !known.has(digest))) await this.#keep(done)
    }
  }

  async #keep(done: ReadonlySet<string>): Promise<void> {
    this.#recorded = done
    await writeFileDurably(pathIn(this.#options.stateDir), `${JSON.stringify([...done])}\n`)
  }
}

function pathIn(stateDir: string): string {
  return join(stateDir, 'gateways-recorded.json')
}

function parsed(text: string): readonly string[] {
  try {
    return Recorded.parse(JSON.parse(text))
  } catch {
    return []
  }
}
