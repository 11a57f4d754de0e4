import { heldEpochs } from '@writ/audit'
import { isFault } from '@writ/contracts'
import { openStore } from '@writ/worm-store'
import type { Context } from '../context.ts'

/** Epochs of the region's log under legal hold, or a sentence why nobody could be asked. Undefined where the context does not know the store. */
export async function legalHolds(
  { local }: Pick<Context, 'local'>,
  region: string,
): Promise<{ readonly epochs: readonly string[] } | { readonly notAsked: string } | undefined> {
  if (local === undefined) return undefined
  try {
    const held = await heldEpochs(await openStore(local.store), { region })
    return { epochs: held.map(({ epoch }) => epoch) }
  } catch (error) {
    if (!isFault(error)) throw error
    return { notAsked: `Nobody knows whether there is a legal hold: ${error.message}` }
  }
}
