import { Fault, misplacedKey } from '@writ/contracts'
import { type KmsKey, readResidency } from '@writ/keys'
import type { Logger } from './logger.ts'
import type { CommonConfig } from './read-env.ts'

/**
 * Judges keys in a KMS by what the plane's jurisdiction demands. In production a key elsewhere is refused, and so is every one where nothing says what is demanded: the
 * result throws Fault `malformed`. In development that is only logged.
 */
export async function keyResidency(
  { residency, mode }: Pick<CommonConfig, 'residency' | 'mode'>,
  region: string,
  log: Logger,
): Promise<(key: KmsKey) => void> {
  const demand = residency === undefined ? undefined : (await readResidency(residency)).demandOf(region)
  const unknown =
    residency === undefined
      ? 'WRIT_RESIDENCY is needed where keys are in a KMS'
      : `the residency table does not know ${region}`
  return (key) => {
    const problem = demand === undefined ? unknown : misplacedKey(key, demand)
    if (problem === undefined) return
    const message = `The ${key.usage === 'SIGN_VERIFY' ? 'signing' : 'wrapping'} key is not taken: ${problem}.`
    if (mode === 'production') throw new Fault('malformed', { message })
    log.warn({ region: key.region, partition: key.partition }, `${message} In development it is used all the same.`)
  }
}
