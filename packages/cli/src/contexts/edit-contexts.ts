import { resolve } from 'node:path'
import { readEnrolment } from '@writ/agent-sdk'
import { Fault } from '@writ/contracts'
import { withAdvice } from '../advice.ts'
import { readLocalFile } from '../local-file.ts'
import { hasLocalPlane, unknownContext } from './choose-context.ts'
import {
  CONTEXT_NAME,
  type Contexts,
  LOCAL_CONTEXT,
  readContexts,
  type StoredContext,
  writeContexts,
} from './contexts-file.ts'
import { assertSamePlane, pinsOfLocal, pinsOfPackage } from './same-plane.ts'

export interface AddedContext extends StoredContext {
  readonly name: string
  readonly kind: string
  readonly id: string
  readonly region: string
}

/**
 * Gives an enrolment a name. Both folders are read first: what does not hold together is refused. Keys and credentials stay where they are. The
 * first context is the one in use. Throws Fault `malformed` for a name that cannot be one or, without `force`, is taken, and for the folder of
 * another plane than the enrolment's.
 */
export async function addContext(
  file: string,
  name: string,
  given: StoredContext,
  force: boolean = false,
): Promise<AddedContext> {
  if (!CONTEXT_NAME.test(name) || name === LOCAL_CONTEXT)
    throw new Fault('malformed', {
      message: `A context’s name is 1 to 64 letters, digits, ., - and _, and not ${LOCAL_CONTEXT}.`,
    })
  const enrolment = resolve(given.enrolment)
  const found = await readEnrolment(enrolment)
  const { kind, id, region } = found
  const home = given.home === undefined ? undefined : resolve(given.home)
  const local = home === undefined ? undefined : await readLocalFile(home)
  if (local !== undefined)
    assertSamePlane(`The enrolment in ${enrolment} and the plane in ${home}`, pinsOfPackage(found), pinsOfLocal(local))
  const stored = {
    enrolment,
    ...(home !== undefined && { home }),
    ...(given.services !== undefined && { services: given.services }),
  }
  const { contexts, current } = await readContexts(file)
  if (Object.hasOwn(contexts, name) && !force)
    throw withAdvice(
      new Fault('malformed', { message: `There is a context ${name} already.` }),
      `\`writ context show ${name}\` says what it stands for; --force replaces it.`,
    )
  const first = Object.keys(contexts).length === 0 && !hasLocalPlane()
  await writeContexts(file, {
    contexts: { ...contexts, [name]: stored },
    ...((first || current !== undefined) && { current: current ?? name }),
  })
  return { name, ...stored, kind, id, region }
}

/** From now on commands work in this context; `local`: in the folder `.writ`, as if none were chosen. */
export async function useContext(file: string, name: string): Promise<void> {
  const { contexts } = await readContexts(file)
  if (name === LOCAL_CONTEXT) return writeContexts(file, { contexts })
  assertKnown(contexts, name)
  await writeContexts(file, { contexts, current: name })
}

/** Forgets a name. Its enrolment package stays. */
export async function removeContext(file: string, name: string): Promise<void> {
  const { contexts, current } = await readContexts(file)
  if (name === LOCAL_CONTEXT)
    throw withAdvice(
      new Fault('malformed', { message: `${LOCAL_CONTEXT} is the folder .writ and no entry.` }),
      '`npm run clean` removes the local plane.',
    )
  assertKnown(contexts, name)
  const kept = Object.fromEntries(Object.entries(contexts).filter(([each]) => each !== name))
  await writeContexts(file, { contexts: kept, ...(current !== undefined && current !== name && { current }) })
}

function assertKnown(contexts: Contexts['contexts'], name: string): void {
  if (!Object.hasOwn(contexts, name)) throw unknownContext(name, Object.keys(contexts))
}
