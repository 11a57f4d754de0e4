import { chmod, mkdir, readFile, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'
import { Fault } from '@writ/contracts'
import { errnoOf, writeFileDurably } from '@writ/durable'
import { withAdvice } from '../advice.ts'

/** What a name stands for: who commands are run as and, where there is one, the folder of the plane itself. Absolute paths. */
export interface StoredContext {
  /** Folder of the enrolment package. */
  readonly enrolment: string
  /** Folder with `local.json`: services, store and the operator's tool. */
  readonly home?: string
  /** Health addresses of services by name, where no `local.json` has them. */
  readonly services?: Readonly<Record<string, string>>
}

export interface Contexts {
  /** The one that `writ context use` chose. */
  readonly current?: string
  readonly contexts: Readonly<Record<string, StoredContext>>
}

export const CONTEXT_NAME: RegExp = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/
/** The plane of the folder `.writ`: no name for another one. */
export const LOCAL_CONTEXT = 'local'

type Env = Readonly<Record<string, string | undefined>>

/** `$XDG_CONFIG_HOME/writ/contexts.json`, else `~/.config/writ/contexts.json`. */
export function contextsFile(env: Env): string {
  const xdg = env['XDG_CONFIG_HOME'] ?? ''
  const base = isAbsolute(xdg) ? xdg : join(env['HOME'] || homedir(), '.config')
  return join(base, 'writ', 'contexts.json')
}

/**
 * The contexts of this person; none when there is no file. Throws Fault `unavailable` when others may read or write the file, since it says
 * whose keys are used where, or when it is not what this tool wrote.
 */
export async function readContexts(file: string): Promise<Contexts> {
  try {
    const { mode } = await stat(file)
    if ((mode & 0o077) !== 0) throw openToOthers(file)
    return checked(JSON.parse(await readFile(file, 'utf8')))
  } catch (cause) {
    if (errnoOf(cause) === 'ENOENT') return { contexts: {} }
    if (cause instanceof Fault) throw cause
    throw withAdvice(
      new Fault('unavailable', { message: `${file} is not what this tool wrote.`, cause }),
      'Move it away; `writ context add` makes a new one.',
    )
  }
}

function openToOthers(file: string): Fault {
  const fault = new Fault('unavailable', { message: `The file ${file} is open to others.` })
  return withAdvice(fault, `Look whether it is as you left it, then: chmod 600 ${file}`)
}

/** Replaces the file whole, mode 0600 in a folder of mode 0700. */
export async function writeContexts(file: string, contexts: Contexts): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  await chmod(dirname(file), 0o700)
  await writeFileDurably(file, `${JSON.stringify(checked(contexts), null, 2)}\n`)
}

function checked(value: unknown): Contexts {
  const { current, contexts } = asObject(value)
  const entries = Object.entries(asObject(contexts)).map(([name, stored]) => {
    if (!CONTEXT_NAME.test(name) || name === LOCAL_CONTEXT) throw new TypeError('not a context’s name')
    return [name, storedContext(stored)] as const
  })
  if (current !== undefined && !entries.some(([name]) => name === current)) throw new TypeError('no such context')
  return { ...(current !== undefined && { current: text(current) }), contexts: Object.fromEntries(entries) }
}

function storedContext(value: unknown): StoredContext {
  const { enrolment, home, services } = asObject(value)
  return {
    enrolment: text(enrolment),
    ...(home !== undefined && { home: text(home) }),
    ...(services !== undefined && {
      services: Object.fromEntries(Object.entries(asObject(services)).map(([name, url]) => [name, text(url)])),
    }),
  }
}

function asObject(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new TypeError('not an object')
  return value as Readonly<Record<string, unknown>>
}

function text(value: unknown): string {
  if (typeof value !== 'string' || value === '') throw new TypeError('not a text')
  return value
}
