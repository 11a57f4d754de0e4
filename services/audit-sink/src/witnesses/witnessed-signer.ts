import { type NoteSigner, parseCheckpoint, proveConsistency, tileHashes, tileKey } from '@writ/audit'
import { Fault } from '@writ/contracts'
import type { WormStore } from '@writ/worm-store'
import type { Asked, WitnessClient } from './witness-client.ts'

export interface WitnessedOptions {
  readonly store: Pick<WormStore, 'get'>
  /** Told of each answer. Must not throw. */
  readonly asked: (witness: string, answer: Asked) => void
}

/**
 * A signer whose notes carry the cosignatures of those witnesses that answer in time. A checkpoint never waits longer for them, and none is withheld for
 * want of them: whoever verifies demands the quorum, and a later checkpoint that has it covers all before it.
 */
export function witnessed(
  signer: NoteSigner,
  witnesses: readonly WitnessClient[],
  { store, asked }: WitnessedOptions,
): NoteSigner {
  const cosigned = async (origin: string, text: string, note: string): Promise<string> => {
    const { size } = parseCheckpoint(text)
    // The tiles of this size are in the store before it is signed.
    const hashOf = tileHashes(size, (path) => read(store, tileKey(origin, path)))
    const signed = { origin, size, note, prove: (older: number) => proveConsistency(older, size, hashOf) }
    const lines = witnesses.map(async (witness) => {
      const answer = await witness.ask(signed)
      asked(witness.name, answer)
      return answer.outcome === 'cosigned' ? answer.lines : ''
    })
    return `${note}${(await Promise.all(lines)).join('')}`
  }
  return {
    ...signer,
    note: async (origin, text) => await cosigned(origin, text, await signer.note(origin, text)),
  }
}

async function read(store: Pick<WormStore, 'get'>, key: string): Promise<Uint8Array> {
  const bytes = await store.get(key)
  if (bytes === undefined) throw new Fault('unavailable', { message: `${key} is missing.` })
  return bytes
}
