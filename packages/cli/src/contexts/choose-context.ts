import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Fault } from '@writ/contracts'
import { withAdvice } from '../advice.ts'
import { contextsFile, LOCAL_CONTEXT, readContexts, type StoredContext } from './contexts-file.ts'

/** Which context a command works in, before any of its files has been read. */
export interface Chosen {
  readonly name: string
  /** Why this one: an option, the variable, `writ context use`, or nothing else was said. */
  readonly by: 'option' | 'variable' | 'use' | 'default'
  /** Folder of the plane; undefined where only an enrolment is known. */
  readonly home?: string
  /** Folder of the enrolment package; undefined: the operator's of the plane's folder. */
  readonly enrolment?: string
  readonly services?: Readonly<Record<string, string>>
}

export interface Wanted {
  /** `--home` */
  readonly home?: string | undefined
  /** `--context` */
  readonly context?: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
}

const LOCAL_HOME = '.writ'

/**
 * `--home`, then `--context`, then WRIT_CONTEXT, then what `writ context use` chose, then the folder `.writ` that `npm start` makes.
 * Throws Fault `malformed` when two are said at once, `unavailable` when a name stands for nothing.
 */
export async function chooseContext({ home, context, env }: Wanted): Promise<Chosen> {
  if (home !== undefined && context !== undefined)
    throw new Fault('malformed', { message: '--home and --context name two planes; say one of them.' })
  if (home !== undefined) return { name: LOCAL_CONTEXT, by: 'option', home: resolve(home) }
  const file = contextsFile(env)
  const named = context ?? (env['WRIT_CONTEXT'] || undefined)
  const by = context !== undefined ? 'option' : named !== undefined ? 'variable' : 'use'
  if (named === LOCAL_CONTEXT) return { name: LOCAL_CONTEXT, by, home: resolve(LOCAL_HOME) }
  const { current, contexts } = await readContexts(file)
  const name = named ?? current
  if (name === undefined) return { name: LOCAL_CONTEXT, by: 'default', home: resolve(LOCAL_HOME) }
  const stored = Object.hasOwn(contexts, name) ? contexts[name] : undefined
  if (stored === undefined) throw unknownContext(name, Object.keys(contexts))
  return { name, by, ...stored }
}

export function unknownContext(name: string, known: readonly string[]): Fault {
  const fault = new Fault('unavailable', { message: `There is no context ${name}.` })
  const others = known.length === 0 ? 'There are none yet' : `There are ${known.join(', ')}`
  return withAdvice(fault, `${others}; \`writ context add NAME --enrolment DIR\` makes one.`)
}

/** Whether `npm start` has made a plane in the folder `.writ` of this directory. */
export function hasLocalPlane(): boolean {
  return existsSync(join(resolve(LOCAL_HOME), 'local.json'))
}

export function localContext(): StoredContext & { readonly home: string } {
  const home = resolve(LOCAL_HOME)
  return { home, enrolment: join(home, 'plane', 'provisioning', 'root') }
}
