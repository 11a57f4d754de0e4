import { regionOfDevice } from '@writ/contracts'
import { readJurisdictionDirectory } from '@writ/keys'
import type { Config } from '../config.ts'

/** Where a device belongs by the operator's directory; without one nothing is known. Faults of `readJurisdictionDirectory`. */
export async function regionsOf({ directory }: Config): Promise<(deviceId: string) => string | undefined> {
  if (directory === undefined) return () => undefined
  const known = await readJurisdictionDirectory(directory)
  return (deviceId) => regionOfDevice(known, deviceId)
}
