import { join, resolve } from 'node:path'
import { openSession, type Session } from '@writ/agent-sdk'
import { openPlane, type Plane } from '@writ/plane'
import { type LocalFile, readLocalFile } from './local-file.ts'

/** The plane that a command works on: the one that `npm start` made, in the folder `home`. */
export interface Context {
  readonly home: string
  readonly local: LocalFile
}

export async function openContext(home: string): Promise<Context> {
  return { home: resolve(home), local: await readLocalFile(home) }
}

/** The operator's tool: keys of NATS, root operator and anchors. For commands that make identities. */
export function planeOf({ local }: Context): Promise<Plane> {
  return openPlane(local.provisioning.dir)
}

/** Connected as the operator of the context, or of another enrolment package. The caller disposes of it. */
export function operatorSession({ local }: Context, enrolment?: string): Promise<Session> {
  if (enrolment !== undefined) return openSession({ enrolment })
  return openSession({ enrolment: join(local.operator.key_file, '..'), keyFile: local.operator.key_file })
}

/** Where an identity's enrolment package lies unless the command says otherwise. */
export function identityFolder({ home }: Context, kind: string, id: string): string {
  return join(home, 'identities', `${kind}-${id}`)
}
