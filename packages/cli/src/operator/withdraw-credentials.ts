import type { IdentityKind } from '@writ/contracts'
import { connectSystem, createCredentials, type Plane, revokeCredentials } from '@writ/plane'

/**
 * Withdraws every NATS credential that was ever made for an identity: its connections close and a login is refused. Answers how many there
 * were. Touches no record, key or token.
 */
export async function withdrawCredentials(plane: Plane, kind: IdentityKind, id: string): Promise<number> {
  const system = await connectSystem(plane)
  try {
    return await revokeCredentials(plane, system, kind, id, Math.floor(Date.now() / 1000))
  } finally {
    await system.close()
  }
}

/** Withdraws them all and makes new ones: the text of a `.creds` file, for the caller to keep. */
export async function renewCredentials(
  plane: Plane,
  kind: IdentityKind,
  id: string,
): Promise<{ readonly withdrawn: number; readonly creds: Uint8Array }> {
  const withdrawn = await withdrawCredentials(plane, kind, id)
  const { creds } = await createCredentials(plane, kind, id)
  return { withdrawn, creds }
}
